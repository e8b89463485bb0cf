// Scrolling through a long conversation: how many messages are in the page, how many come at a time, and that what one looks at
// stays where it is. What must not live here: times, which a busy machine makes longer (tests/measure).
import { beforeAll, expect, test } from 'vitest';
import { type Person, shoot, type Size } from '../kit/browser';
import { aStage, both } from '../kit/stage';
import { box, good, log, row } from '../kit/talkers';

const LINES = 260;
/** One answers another that is far above. */
const [QUOTED, QUOTING] = [11, 241];
/** What is promised. The page has fewer, so that a slow phone can draw them. */
const MOST_NODES = 400;
/** Drawn between two frames of scrolling. */
const MOST_AT_A_TIME = 8;

aStage();
let talk: string;
beforeAll(async () => {
  const { ada, bob } = both;
  const more = (n: number) => (n === QUOTING ? { reply_to: QUOTED } : {});
  for (let n = 1; n <= LINES; n += 1) talk = (await both.says(n % 3 ? bob : ada, n % 3 ? ada : bob, n % 5 ? `line ${n}` : `A longer one, ${n}. `.repeat(12), more(n))).conversation;
  await both.server.api(ada.token).command({ id: 1, type: 'mark_read', conversation: talk, seq: LINES });
});

interface Seen {
  nodes: number;
  /** Most rows that came, or were taken up and put elsewhere, in one go. */
  atATime: number;
  /** In pixels, at any frame. */
  moved: number;
  edge: number;
}

/** Goes near to one end, and looks at each frame until more has come there, and a little longer. */
function near(one: Person, end: 'top' | 'bottom', nudge: number): Promise<Seen> {
  return log(one).evaluate(
    async (el, { end, nudge }) => {
      const rows = () => [...el.querySelectorAll<HTMLElement>('[data-seq]')];
      const edge = () => Number((end === 'top' ? rows()[0] : rows().at(-1))?.dataset.seq);
      const seen = { nodes: 0, atATime: 0, moved: 0, edge: edge() };
      const count = (node: Node) => (node instanceof Element ? Number(node.matches('[data-seq]')) + node.querySelectorAll('[data-seq]').length : 0);
      const watch = new MutationObserver((all) => {
        const came = all.reduce((sum, { addedNodes }) => sum + [...addedNodes].reduce((more, node) => more + count(node), 0), 0);
        seen.atATime = Math.max(seen.atATime, came);
      });
      watch.observe(el, { childList: true, subtree: true });
      el.scrollTop = end === 'top' ? 300 + nudge : el.scrollHeight - el.clientHeight - 300 - nudge;
      const place = (row: Element) => row.getBoundingClientRect().top - el.getBoundingClientRect().top;
      const looked = rows().find((row) => place(row) > 100)!;
      const top = place(looked);
      const before = edge();
      let longer = 12;
      for (let frame = 0; frame < 300 && longer > 0; frame += 1) {
        await new Promise(requestAnimationFrame);
        if (edge() !== before) longer -= 1;
        seen.nodes = Math.max(seen.nodes, rows().length);
        seen.moved = Math.max(seen.moved, Math.abs(place(looked) - top));
      }
      watch.disconnect();
      return { ...seen, edge: edge() };
    },
    { end, nudge },
  );
}

async function through(one: Person, end: 'top' | 'bottom', goal: number): Promise<Seen[]> {
  const all: Seen[] = [];
  // Not the same place twice: who gets nothing because the line was not there yet scrolls again.
  for (let turn = 0; turn < 40 && all.at(-1)?.edge !== goal; turn += 1) all.push(await near(one, end, turn % 2));
  return all;
}

for (const size of ['phone', 'desktop'] as Size[]) {
  test(`through a long conversation on a ${size}: few messages in the page, few at a time, and what one reads stays where it is`, async () => {
    const one = await both.at('ada', size);
    await one.page.goto(`/c/${talk}`);
    await log(one).getByText(`A longer one, ${LINES}.`).waitFor();
    const up = await through(one, 'top', 1);
    const down = await through(one, 'bottom', LINES);
    expect([up.at(-1)?.edge, down.at(-1)?.edge]).toEqual([1, LINES]);
    const most = (of: (seen: Seen) => number) => Math.max(...[...up, ...down].map(of));
    expect(most(({ nodes }) => nodes)).toBeGreaterThan(90);
    expect(most(({ nodes }) => nodes)).toBeLessThanOrEqual(MOST_NODES);
    expect(most(({ atATime }) => atATime)).toBeLessThanOrEqual(MOST_AT_A_TIME);
    expect(most(({ moved }) => moved)).toBeLessThanOrEqual(1);
    // Blocks are moved as they are: neither laid out nor painted again when something comes before them.
    const contained = await log(one).locator('.block').evaluateAll((all) => all.map((el) => getComputedStyle(el).contain));
    expect(contained.length).toBeGreaterThan(6);
    expect(new Set(contained)).toEqual(new Set(['layout style']));
    await log(one).evaluate((el) => el.scrollTo(0, el.scrollHeight / 2));
    await one.page.getByRole('button', { name: 'To the newest message' }).click();
    await expect.poll(() => log(one).evaluate((el) => el.scrollHeight - el.scrollTop - el.clientHeight)).toBeLessThan(2);
    await good(one);
  });
}

for (const size of ['phone', 'desktop'] as Size[]) {
  test(`on a ${size}: one comes back to where one was, also along a quote, just types, sees few signs large, and the tab says what is unread`, async () => {
    await both.group(`Lunch, ${size}`);
    const one = await both.at('ada', size);
    const { page } = one;
    const open = async (name: string | RegExp) => {
      if (size === 'phone' && !(await page.getByRole('heading', { name: 'Conversations' }).isVisible())) await page.getByRole('button', { name: 'Back' }).click();
      await page.getByRole('link', { name }).click();
    };
    const inSight = () =>
      log(one).evaluate((el) => {
        const edge = el.getBoundingClientRect().top;
        const row = [...el.querySelectorAll<HTMLElement>('[data-seq]')].find((one_) => one_.getBoundingClientRect().top > edge + 60);
        return row ? { seq: row.dataset.seq, top: row.getBoundingClientRect().top - edge } : undefined;
      });
    /** The same one is there again, to the pixel as browsers round it. */
    const isAt = (where: Awaited<ReturnType<typeof inSight>>) =>
      expect
        .poll(async () => {
          const top = await log(one).evaluate((el, seq) => (el.querySelector(`[data-seq="${seq}"]`)?.getBoundingClientRect().top ?? NaN) - el.getBoundingClientRect().top, where?.seq);
          return Math.abs(top - where!.top);
        })
        .toBeLessThan(1.5);
    await open(/^bob/);
    await log(one).getByText(`A longer one, ${LINES}.`).waitFor();
    expect(await log(one).getByText('Today').count()).toBe(1);
    expect(await log(one).locator('.message.follows').count()).toBeGreaterThan(0);
    for (const nudge of [0, 1, 2]) await near(one, 'top', nudge);
    const before = await inSight();
    expect(Number(before?.seq)).toBeLessThan(LINES - 20);
    await open(`Lunch, ${size}`);
    await page.getByRole('heading', { name: /^Lunch/ }).waitFor();
    await open(/^bob/);
    await isAt(before);
    await page.getByRole('button', { name: 'To the newest message' }).click();
    await log(one).getByText(`A longer one, ${LINES}.`).waitFor();
    // Along a quote, and back to where one was; from there to the newest.
    await row(one, `line ${QUOTING}`).evaluate((el) => el.scrollIntoView({ block: 'center' }));
    await page.locator('.talk [role=log][aria-busy=false]').waitFor();
    const reading = await inSight();
    // Not by the pointer, for which the page might be scrolled first.
    await row(one, `line ${QUOTING}`).locator('.quote:enabled').evaluate((el: HTMLElement) => el.click());
    await page.locator(`.message.found[data-seq="${QUOTED}"]`).waitFor();
    await page.getByRole('button', { name: 'Back to where you were' }).click();
    await isAt(reading);
    await page.getByRole('button', { name: 'To the newest message' }).click();
    await log(one).getByText(`A longer one, ${LINES}.`).waitFor();
    await open(`Lunch, ${size}`);
    await page.getByRole('heading', { name: `Lunch, ${size}` }).click();
    await page.keyboard.press('H');
    await page.keyboard.type('ello');
    await expect.poll(() => box(one).inputValue()).toBe('Hello');
    await box(one).fill('👍🏽 🎉');
    await page.getByRole('button', { name: 'Send' }).click();
    await log(one).locator('.emoji-only', { hasText: '🎉' }).waitFor();
    await both.says(both.bob, both.ada, `and this, ${size}`);
    await expect.poll(() => page.title()).toMatch(/^\(1\)/);
    await shoot(one, 'feel');
    await open(/^bob/);
    await log(one).getByText(`and this, ${size}`).waitFor();
    await expect.poll(() => page.title()).not.toMatch(/^\(/);
    await good(one);
  });
}
