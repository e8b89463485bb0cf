// Figures of the chat on a slow phone (a processor slowed four times, 50 ms to the server and back), as medians of five: run
// `npm run measure`. It prints them and judges nothing, since a busy machine would make it lie; what can be judged anywhere,
// nodes and the anchor, is in tests/browser. What must not live here: stories.
import type { Browser, CDPSession, Page } from 'playwright-core';
import { afterAll, beforeAll, test } from 'vitest';
import { uuidv7 } from '../../src/engine/ids';
import { launch, type Person } from '../kit/browser';
import { box, log, Talkers } from '../kit/talkers';
import { tasks } from '../kit/tasks';

const SLOWER = 4;
/** Fewer for a look in passing. */
const ROWS = Number(process.env.KINGLET_MEASURE_ROWS ?? 10_000);
const RUNS = 5;
const figures: string[] = [];
let browser: Browser;
let both: Talkers;
let talk: string;

beforeAll(async () => {
  browser = await launch();
  both = await Talkers.meet(browser);
  talk = (await both.says(both.bob, both.ada, 'the first')).conversation;
  for (let n = 0; n < ROWS; n += 20) {
    const batch = Array.from({ length: 20 }, (_, at) => said(n + at));
    await Promise.all(batch);
  }
  await both.server.api(both.ada.token).command({ id: 1, type: 'mark_read', conversation: talk, seq: ROWS });
});
afterAll(async () => {
  console.log(`\n${figures.join('\n')}\n`);
  await both?.part();
  await browser?.close();
});

function said(n: number): Promise<unknown> {
  const { ada, bob } = both;
  const text = [`Line ${n} of a **long** talk`, 'Short.', 'See https://example.org/page and `code`', 'A longer one: '.repeat(1 + (n % 9))][n % 4]!;
  const who = n % 7 < 4 ? bob : ada;
  return both.server.api(who.token).command({ id: 1, type: 'send', client_id: uuidv7(), conversation: talk, body: { kind: 'text', text } });
}

function print(what: string, values: number[]): void {
  const sorted = [...values].sort((one, other) => one - other);
  const line = `${what}: median ${Math.round(sorted[sorted.length >> 1]!)} (${values.map(Math.round).join(', ')})`;
  figures.push(line);
}

async function slow(page: Page): Promise<CDPSession> {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: SLOWER });
  return cdp;
}

async function far(cdp: CDPSession): Promise<void> {
  const speed = (10 * 1_048_576) / 8;
  await cdp.send('Network.enable');
  await cdp.send('Network.emulateNetworkConditions', { offline: false, latency: 50, downloadThroughput: speed, uploadThroughput: speed });
}

/** Scrolls up through so many rows (down, if they are less than none), as fast as a finger throws them, and gives the tasks that were longer than 50 ms. */
function scroll(one: Person, rows: number): Promise<{ long: number[]; nodes: number; frames: number }> {
  return log(one).evaluate(async (el, wanted) => {
    const long: number[] = [];
    const observer = new PerformanceObserver((list) => long.push(...list.getEntries().map((entry) => entry.duration)));
    observer.observe({ entryTypes: ['longtask'] });
    const first = () => Number(el.querySelector<HTMLElement>('[data-seq]')?.dataset.seq ?? 0);
    const goal = Math.max(3, first() - wanted);
    const isOver = () => (wanted > 0 ? first() <= goal : first() >= goal);
    let nodes = 0;
    let frames = 0;
    const end = performance.now() + 120_000;
    while (!isOver() && performance.now() < end) {
      await new Promise(requestAnimationFrame);
      el.scrollTop -= Math.sign(wanted) * 350;
      frames += 1;
      nodes = Math.max(nodes, el.querySelectorAll('[data-seq]').length);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    observer.disconnect();
    return { long, nodes, frames };
  }, rows);
}

test(`scrolling through ${ROWS} rows`, async () => {
  const one = await both.at('ada', 'phone');
  await one.page.goto(`/c/${talk}`);
  await log(one).getByRole('article').first().waitFor();
  await slow(one.page);
  const longest: number[] = [];
  const over: number[] = [];
  let nodes = 0;
  for (let run = 0; run < RUNS; run += 1) {
    const seen = await scroll(one, ROWS / RUNS);
    longest.push(Math.max(0, ...seen.long));
    over.push(seen.long.length);
    nodes = Math.max(nodes, seen.nodes);
  }
  print(`longest task while scrolling ${ROWS / RUNS} rows, ms`, longest);
  print('  tasks over 50 ms in them', over);
  figures.push(`  most message nodes: ${nodes}`);
  // Once more with the browser's own record, which makes all of it slower, too.
  const all = await tasks(browser, one.page, async () => void (await scroll(one, -ROWS / RUNS)));
  for (const { took, clock, parts } of all.slice(0, 3)) {
    const most = parts.slice(0, 5).map(([name, ms]) => `${name} ${ms.toFixed(1)}`);
    figures.push(`  recorded: ${took.toFixed(1)} ms of the processor, ${clock.toFixed(1)} by the clock: ${most.join(', ')}`);
  }
  await both.leave();
});

test('a message stands in the page', async () => {
  const one = await both.at('ada', 'phone');
  await one.page.goto(`/c/${talk}`);
  await log(one).getByRole('article').first().waitFor();
  for (const slower of [1, SLOWER]) {
    const cdp = await one.page.context().newCDPSession(one.page);
    await cdp.send('Emulation.setCPUThrottlingRate', { rate: slower });
    const took: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      await box(one).fill(`measured ${slower} ${run}`);
      await one.page.waitForTimeout(2_000);
      took.push(
        await one.page.evaluate(async (text) => {
          const there = () => [...document.querySelectorAll('.said')].some((el) => el.textContent === text);
          const begin = performance.now();
          document.querySelector<HTMLButtonElement>('.composer button[type=submit]')!.click();
          await new Promise<void>((done) => {
            const seen = new MutationObserver(() => there() && done());
            seen.observe(document.querySelector('[role=log]')!, { childList: true, subtree: true });
          });
          return performance.now() - begin;
        }, `measured ${slower} ${run}`),
      );
    }
    print(`from the tap on Send to the message in the page, processor ${slower}x slower, ms`, took);
  }
  await both.leave();
});

test('first paint, and the chat from what is in the browser', async () => {
  const first: number[] = [];
  const form: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const context = await browser.newContext({ baseURL: both.shown.url, viewport: { width: 360, height: 740 } });
    const page = await context.newPage();
    await far(await slow(page));
    await page.goto('/sign-in');
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    form.push(await page.evaluate(() => performance.now()));
    first.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]!.startTime));
    await context.close();
  }
  print('first contentful paint, processor 4x slower, 50 ms, ms', first);
  print('  until one can type into the sign-in page', form);
  const one = await both.at('ada', 'phone');
  await one.page.goto(`/c/${talk}`);
  await log(one).getByRole('article').first().waitFor();
  await one.context.route(/\/(api|health|ws)/, (route) => route.abort());
  await one.context.routeWebSocket(/\/ws$/, (socket) => socket.close());
  const cdp = await slow(one.page);
  const copy: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    await one.page.reload();
    await log(one).getByRole('article').first().waitFor();
    copy.push(
      await one.page.evaluate(async () => {
        await new Promise(requestAnimationFrame);
        return performance.now();
      }),
    );
  }
  await cdp.detach();
  print('a conversation from the copy, no server to talk to, processor 4x slower, ms', copy);
  await both.leave();
});
