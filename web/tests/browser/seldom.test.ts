// What people do now and then with messages, with their group and with each other: over plain http, without a secure context,
// as most of a team may come at first. What must not live here: everyday talking (chat.test.ts, together.test.ts).
import { beforeAll, expect, test } from 'vitest';
import type { ConversationInfo, SignedIn } from '../../src/proto';
import { PLAIN_HOST, type Person, person, shoot, type Size } from '../kit/browser';
import { aStage, both, browser } from '../kit/stage';
import { box, good, log, write } from '../kit/talkers';

aStage({ env: { KINGLET_LISTEN_HOSTS: PLAIN_HOST }, others: ['cyd'] });
let cyd: SignedIn;
beforeAll(() => {
  cyd = both.others.cyd!;
});

const plain = (name: string, size: Size) => both.at(name, size, { url: both.shown.url.replace('127.0.0.1', PLAIN_HOST) });
const row = (one: Person, text: string) => log(one).locator('.message', { has: one.page.locator('.said', { hasText: text }) }).last();
const side = ({ page }: Person) => page.locator('.side');
async function pick(one: Person, text: string, item: string): Promise<void> {
  await row(one, text).click({ button: 'right' });
  await one.page.getByRole('menu').getByRole('menuitem', { name: item, exact: true }).click();
}
async function told(who: SignedIn, conversation: string): Promise<ConversationInfo | undefined> {
  const reply = await both.server.api(who.token).command({ id: 1, type: 'conversations' });
  return reply.type === 'conversations' ? reply.conversations.find((one) => one.conversation === conversation) : undefined;
}

test('a link copied, a reaction picked, a saved message found, a thread left, everybody named: without a secure context', async () => {
  const { bob } = both;
  const quay = await both.group('Quay');
  const root = await both.says(bob, quay, 'Who has the keys?');
  const one = await plain('ada', 'desktop');
  const { page } = one;
  await page.goto(`/c/${quay}`);
  await row(one, 'Who has the keys?').waitFor();
  expect(await page.evaluate(() => [isSecureContext, 'clipboard' in navigator, 'randomUUID' in crypto])).toEqual([false, false, false]);
  await pick(one, 'Who has the keys?', 'Copy the link');
  await page.getByText('Copied').waitFor();
  await box(one).click();
  await page.keyboard.press('Control+v');
  await expect.poll(() => box(one).inputValue()).toBe(`${new URL(page.url()).origin}/c/${quay}/${root.seq}`);
  await box(one).fill('');
  // One that is not among those at hand.
  await pick(one, 'Who has the keys?', 'More emoji');
  const picker = page.getByRole('dialog');
  await picker.getByRole('textbox', { name: 'Search emoji' }).fill('鸭');
  await picker.locator('.emojis button', { hasText: '🦆' }).waitFor();
  await good(one);
  await shoot(one, 'reaction-picker');
  await picker.locator('.emojis button', { hasText: '🦆' }).click();
  await row(one, 'Who has the keys?').getByRole('button', { name: '🦆 1 : ada' }).waitFor();
  await pick(one, 'Who has the keys?', 'Save for later');
  await row(one, 'Who has the keys?').getByLabel('Saved', { exact: true }).waitFor({ state: 'attached' });
  // The page goes at once: what is still on its way is told by the next one, before it asks what is saved.
  await page.goto('/');
  await page.getByRole('button', { name: 'Find people and messages' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Saved messages' }).click();
  const hit = page.getByRole('dialog').getByRole('button', { name: /Who has the keys/ });
  await hit.waitFor();
  await good(one);
  await shoot(one, 'saved');
  await hit.click();
  await page.locator('.message.found').waitFor();
  // A thread followed by hand, and left again.
  const threaded = async () => {
    const reply = await both.server.api(both.ada.token).command({ id: 1, type: 'thread', conversation: quay, thread: root.seq });
    return reply.type === 'thread' && reply.following === true;
  };
  await both.command(bob, { type: 'send', conversation: quay, thread: root.seq, body: { kind: 'text', text: 'Not me' } });
  await row(one, 'Who has the keys?').getByRole('button', { name: '1 reply' }).click();
  await side(one).getByRole('button', { name: 'Follow', exact: true }).click();
  await expect.poll(threaded).toBe(true);
  await side(one).getByRole('button', { name: 'Unfollow' }).click();
  await side(one).getByRole('button', { name: 'Follow', exact: true }).waitFor();
  await expect.poll(threaded).toBe(false);
  await side(one).getByRole('button', { name: 'Close' }).click();
  await box(one).pressSequentially('@al');
  await page.getByRole('option', { name: /@all/ }).waitFor();
  await box(one).press('Enter');
  await box(one).pressSequentially('look at this');
  await box(one).press('Enter');
  await row(one, '@all look at this').waitFor();
  await expect.poll(async () => (await told(bob, quay))?.unread_mentions).toBe(1);
  await good(one);
});

test('the owner mutes somebody, removes somebody and hands the group over; who has it now ends it, on a phone', async () => {
  const { ada, bob } = both;
  const crew = await both.group('Crew', [cyd]);
  await both.says(bob, crew, 'All here');
  const one = await plain('ada', 'desktop');
  const other = await plain('bob', 'phone');
  for (const { page } of [one, other]) page.on('dialog', (ask) => void ask.accept());
  await one.page.goto(`/c/${crew}#info`);
  const member = (name: string) => side(one).locator('.members li', { has: one.page.locator('.member', { hasText: name }) });
  const act = async (name: string, what: string) => {
    if (!(await member(name).locator('.ways').count())) await side(one).getByRole('button', { name: `Actions for ${name}` }).click();
    await member(name).getByRole('button', { name: what, exact: true }).click();
  };
  await act('bob', 'Mute');
  await member('bob').getByText('muted').waitFor();
  await expect(both.says(bob, crew, 'no')).rejects.toMatchObject({ code: 'muted' });
  await good(one);
  await shoot(one, 'muted');
  await act('bob', 'Let write');
  await member('bob').getByText('muted').waitFor({ state: 'detached' });
  await both.says(bob, crew, 'Thank you');
  await act('cyd', 'Remove');
  await member('cyd').waitFor({ state: 'detached' });
  expect(await told(cyd, crew)).toBeUndefined();
  await act('bob', 'Hand over');
  await member('bob').getByText('Owner').waitFor();
  expect([(await told(ada, crew))?.role, (await told(bob, crew))?.role]).toEqual(['admin', 'owner']);
  await other.page.goto(`/c/${crew}#info`);
  await side(other).getByRole('button', { name: 'End this conversation for everyone' }).click();
  await other.page.getByRole('heading', { name: 'Conversations' }).waitFor();
  await one.page.locator('.closed').waitFor();
  await expect.poll(() => told(ada, crew)).toBeUndefined();
  await good(one);
  await good(other);
});

test('links are listed, somebody is found and searched on a phone, what one has read is not shown, and a person is blocked', async () => {
  const { ada, bob } = both;
  const first = await both.says(ada, bob, 'The list: https://harbour.example/pier-3');
  const talk = first.conversation;
  await both.says(bob, talk, 'Looking at [the plan](https://harbour.example/plan)');
  const one = await plain('ada', 'desktop');
  const other = await plain('bob', 'phone');
  const { page } = other;
  // Over the list on a phone, and then within what it led to.
  const dialog = page.getByRole('dialog');
  // These keys hold before what else the chat knows of hands has come.
  await page.route('**/assets/hands-*.js', () => {});
  await page.reload();
  await page.getByRole('heading', { name: 'Conversations' }).waitFor();
  await page.keyboard.press('Control+k');
  await dialog.waitFor();
  await page.unroute('**/assets/hands-*.js');
  await page.keyboard.press('Escape');
  await page.reload();
  await page.getByRole('heading', { name: 'Conversations' }).waitFor();
  await page.keyboard.press('Control+k');
  await dialog.getByRole('textbox').fill('ad');
  await dialog.getByRole('button', { name: 'ada' }).waitFor();
  await shoot(other, 'switcher');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'ada', level: 1 }).waitFor();
  await page.keyboard.press('Control+f');
  await dialog.getByRole('textbox').fill('list');
  await dialog.locator('mark', { hasText: 'list' }).waitFor();
  await good(other);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Files', exact: true }).first().click();
  await dialog.getByRole('button', { name: 'Links' }).click();
  await dialog.getByRole('link', { name: 'the plan' }).waitFor();
  expect(await dialog.getByRole('link').evaluateAll((all) => all.map((link) => link.getAttribute('href')))).toEqual(['https://harbour.example/plan', 'https://harbour.example/pier-3']);
  await good(other);
  await shoot(other, 'links');
  await dialog.getByRole('button', { name: 'Show in the conversation' }).last().click();
  await page.locator('.message.found').waitFor();
  // What bob reads from now on is not shown, and he does not see it of ada.
  await page.goto('/me/privacy');
  await page.getByRole('switch', { name: /Do not show what I have read/ }).check();
  await page.getByText('Saved.').waitFor();
  await good(other);
  await shoot(other, 'privacy');
  await one.page.goto(`/c/${talk}`);
  await write(one, 'Have you seen this?');
  await row(one, 'Have you seen this?').getByTitle('Sent').waitFor();
  await page.goto(`/c/${talk}`);
  await row(other, 'Have you seen this?').waitFor();
  await write(other, 'Seen it');
  await row(one, 'Seen it').waitFor();
  await expect.poll(async () => (await told(ada, talk))?.unread).toBe(0);
  await row(other, 'Seen it').getByTitle('Sent').waitFor();
  expect(await row(one, 'Have you seen this?').getByTitle('Sent').count()).toBe(1);
  await one.page.reload();
  await row(one, 'Have you seen this?').getByTitle('Sent').waitFor();
  await both.command(bob, { type: 'typing', conversation: talk, on: false }).catch(() => {});
  await page.goto('/me/privacy');
  await page.getByRole('switch', { name: /Do not show what I have read/ }).uncheck();
  await page.getByText('Saved.').waitFor();
  await one.page.reload();
  await row(one, 'Have you seen this?').getByTitle('Read').waitFor();
  await page.goto(`/c/${talk}`);
  await row(other, 'Seen it').getByTitle('Read').waitFor();
  // Blocked from the details, and let back.
  page.on('dialog', (ask) => void ask.accept());
  await page.goto(`/c/${talk}#info`);
  await side(other).getByRole('button', { name: 'Block ada' }).click();
  await side(other).getByText('You block ada').waitFor();
  await expect(both.says(ada, talk, 'hello?')).rejects.toMatchObject({ code: 'not_found' });
  await good(other);
  await shoot(other, 'blocked');
  await side(other).getByRole('button', { name: 'Close' }).click();
  await page.locator('.closed').getByText('You block this person.').waitFor();
  await page.goto(`/c/${talk}#info`);
  await side(other).getByRole('button', { name: 'Lift the block' }).click();
  await side(other).getByRole('button', { name: 'Block ada' }).waitFor();
  await expect.poll(() => both.says(ada, talk, 'here again').then(() => true, () => false)).toBe(true);
  await side(other).getByRole('button', { name: 'Close' }).click();
  await box(other).waitFor();
});

test('where the page may not name its service worker the chat goes on without one', async () => {
  const one = await person(browser, both.shown.url, 'desktop');
  both.here.push(one);
  await one.page.route(/\/$/, async (route) => {
    const response = await route.fetch();
    const policy = (response.headers()['content-security-policy'] ?? '').replace(/trusted-types [^;]*/, "trusted-types 'none'");
    await route.fulfill({ response, headers: { ...response.headers(), 'content-security-policy': policy } });
  });
  const refused = one.page.waitForEvent('console', (message) => /trusted.?type/i.test(message.text()));
  await one.page.goto('/');
  await refused;
  await one.page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await one.page.getByLabel('Name').fill('ada');
  expect(one.complaints.filter((complaint) => !/trusted.?types? policy|Content Security Policy/i.test(complaint) || complaint.startsWith('TypeError'))).toEqual([]);
});

/** A second of film, red above and blue below, as this browser records it. */
async function film({ page }: Person): Promise<Buffer> {
  const bytes = await page.evaluate(async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 180 });
    const on = canvas.getContext('2d')!;
    let n = 0;
    const draw = () => {
      on.fillStyle = '#d02020';
      on.fillRect(0, 0, 320, 90);
      on.fillStyle = '#2030d0';
      on.fillRect(0, 90, 320, 90);
      on.fillRect((n += 4), 0, 8, 8);
    };
    draw();
    const drawing = setInterval(draw, 40);
    const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: 'video/webm' });
    const parts: Blob[] = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const end = new Promise((resolve) => (recorder.onstop = resolve));
    recorder.start();
    setTimeout(() => recorder.stop(), 1_000);
    await end;
    clearInterval(drawing);
    return [...new Uint8Array(await new Blob(parts).arrayBuffer())];
  });
  return Buffer.from(bytes);
}

test('a video has a first picture, made by who sent it, before anybody plays it', async () => {
  const { ada, bob } = both;
  const { conversation } = await both.says(bob, ada, 'Show me the ferry');
  const one = await both.at('ada', 'desktop');
  const other = await both.at('bob', 'phone');
  await other.page.goto(`/c/${conversation}`);
  await one.page.goto(`/c/${conversation}`);
  await box(one).waitFor();
  await one.page.getByLabel('Files', { exact: true }).last().setInputFiles([{ name: 'ferry.webm', mimeType: 'video/webm', buffer: await film(one) }]);
  await one.page.getByRole('list', { name: 'Files to send' }).getByText('ferry.webm').waitFor();
  await one.page.getByRole('button', { name: 'Send', exact: true }).click();
  const play = log(other).getByRole('button', { name: /^Play: ferry.webm/ });
  await play.waitFor();
  const reply = await both.server.api(bob.token).command({ id: 1, type: 'history', conversation, limit: 1 });
  const said = reply.type === 'history' && reply.events[0]?.kind === 'message' ? reply.events[0].body : undefined;
  expect(said).toMatchObject({ kind: 'video', width: 320, height: 180, thumbhash: expect.stringMatching(/^[\w+/]{8,34}=*$/) });
  const pixel = (y: number) =>
    log(other)
      .locator('.film canvas.hash')
      .evaluate((canvas, at) => {
        const { width, height } = canvas as HTMLCanvasElement;
        return [...(canvas as HTMLCanvasElement).getContext('2d')!.getImageData(Math.floor(width / 2), Math.floor(height * at), 1, 1).data];
      }, y);
  await expect.poll(async () => (await pixel(0.2))[0]! - (await pixel(0.2))[2]!).toBeGreaterThan(60);
  await expect.poll(async () => (await pixel(0.85))[2]! - (await pixel(0.85))[0]!).toBeGreaterThan(60);
  await good(other);
  await shoot(other, 'film');
});

test('what was looked for without a line is found once there is one, and nobody has to ask again', async () => {
  await both.says(both.ada, both.bob, 'The tide table');
  const { page } = await plain('bob', 'desktop');
  await page.getByRole('button', { name: 'Find people and messages' }).click();
  // Where one looks comes with a part of the client that is loaded now.
  const words = page.getByRole('dialog').getByRole('textbox');
  await words.waitFor();
  await both.server.kill();
  await words.fill('tide');
  await page.getByRole('dialog').getByText('The server does not answer.').waitFor();
  await both.server.restart();
  await page.getByRole('dialog').locator('mark', { hasText: 'tide' }).waitFor();
});
