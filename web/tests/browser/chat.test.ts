// Two people talking, as they do it: on a phone and on a desktop, with the network going away, and in a long conversation.
// What must not live here: how they came in (first.test.ts).
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { uuidv7 } from '../../src/engine/ids';
import type { SignedIn } from '../../src/proto';
import { barriers, confess, launch, overflow, type Person, person, shoot, type Size } from '../kit/browser';
import { Kinglet, PASSWORD } from '../kit/kinglet';
import { front } from '../kit/preview';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

let server: Kinglet;
let shown: { url: string; close: () => Promise<void> };
let ada: SignedIn;
let bob: SignedIn;
let here: Person[];
beforeEach(async () => {
  server = await Kinglet.start();
  shown = await front(server);
  ada = await server.claim('ada');
  bob = await server.join(ada, 'bob');
  here = [];
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') for (const one of here) await confess(one);
  for (const one of here) await one.context.close();
  await shown?.close();
  await server?.stop();
});

async function at(name: string, size: Size, more = {}): Promise<Person> {
  const one = await person(browser, shown.url, size, more);
  here.push(one);
  await one.page.goto('/');
  await one.page.getByLabel('Name').fill(name);
  await one.page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await one.page.getByRole('button', { name: 'Sign in' }).click();
  await one.page.getByRole('heading', { name: 'Conversations' }).waitFor();
  return one;
}

async function says(who: SignedIn, to: SignedIn, text: string): Promise<string> {
  const send = { id: 1, type: 'send', client_id: uuidv7(), to: to.user, body: { kind: 'text', text } };
  const reply = await server.api(who.token).command(send);
  if (reply.type !== 'ack') throw new Error('not acked');
  return reply.conversation;
}

const log = ({ page }: Person) => page.getByRole('log');
async function write({ page }: Person, to: string, text: string): Promise<void> {
  await page.getByRole('textbox', { name: `Write to ${to}` }).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}
async function good(one: Person): Promise<void> {
  expect(await barriers(one)).toEqual([]);
  expect(await overflow(one)).toBe(0);
  expect(one.complaints).toEqual([]);
}

test('first words to somebody, unread on their list, read by looking, and said so', async () => {
  const one = await at('ada', 'phone');
  const other = await at('bob', 'desktop', { scheme: 'dark' });
  await one.page.getByRole('button', { name: 'New message' }).click();
  await good(one);
  await shoot(one, 'new-message');
  await one.page.getByRole('dialog').getByRole('button', { name: 'bob' }).click();
  await write(one, 'bob', 'Are you **there**? <script>alert(1)</script> https://example.org/x');
  const row = other.page.getByRole('link', { name: /ada/ });
  await row.getByText('1 unread message').waitFor();
  await shoot(other, 'unread');
  await good(other);
  await log(one).getByText('Sent').waitFor({ state: 'attached' });
  await row.click();
  await log(other).locator('strong', { hasText: 'there' }).waitFor();
  expect(await log(other).locator('script').count()).toBe(0);
  expect(await log(other).getByRole('link').getAttribute('rel')).toBe('noopener noreferrer');
  await log(one).getByText('Read', { exact: true }).waitFor({ state: 'attached' });
  await write(other, 'ada', 'Here.');
  await log(one).getByText('Here.').waitFor();
  await row.getByText('unread message').waitFor({ state: 'detached' });
  await good(one);
  await good(other);
  await shoot(one, 'direct');
});

test('without a network one goes on writing: it waits, survives a reload, is sent in order, once', async () => {
  const talk = await says(bob, ada, 'Hello');
  const one = await at('ada', 'desktop');
  await one.page.getByRole('link', { name: /bob/ }).click();
  await log(one).getByText('Hello').waitFor();
  await server.kill();
  for (const text of ['first', 'second']) await write(one, 'bob', text);
  await log(one).getByText('Waiting').nth(1).waitFor({ state: 'attached' });
  await one.page.getByRole('status').getByText('You are not connected').waitFor();
  await good(one);
  await shoot(one, 'offline');
  // A page that shows what is in the browser needs the server for its files only, as long as there is no service worker.
  await server.restart();
  one.page.on('dialog', (dialog) => void dialog.accept());
  await one.page.reload();
  await log(one).getByText('Hello').waitFor();
  await write(one, 'bob', 'third');
  await expect.poll(async () => {
    const reply = await server.api(bob.token).command({ id: 1, type: 'history', conversation: talk });
    return reply.type === 'history' ? reply.events.map((event) => event.kind === 'message' && event.body?.kind === 'text' && event.body.text) : [];
  }, { timeout: 20_000 }).toEqual(['Hello', 'first', 'second', 'third']);
  await expect.poll(() => log(one).getByRole('article').allInnerTexts().then((all) => all.length), { timeout: 20_000 }).toBe(4);
  await expect.poll(() => log(one).getByText('Waiting').count(), { timeout: 20_000 }).toBe(0);
});

test('a draft survives a reload, Enter while composing sends nothing, and two tabs show the same', async () => {
  await says(bob, ada, 'Hello');
  const one = await at('ada', 'desktop');
  await one.page.getByRole('link', { name: /bob/ }).click();
  const box = one.page.getByRole('textbox', { name: 'Write to bob' });
  await box.fill('half a thought');
  await one.page.reload();
  expect(await box.inputValue()).toBe('half a thought');
  await box.dispatchEvent('keydown', { key: 'Enter', isComposing: true });
  expect(await box.inputValue()).toBe('half a thought');
  const tab = { ...one, page: await one.context.newPage() };
  await tab.page.goto(one.page.url());
  await log(tab).getByText('Hello').waitFor();
  await box.press('Enter');
  await log(tab).getByText('half a thought').waitFor();
  await tab.page.getByRole('textbox', { name: 'Write to bob' }).fill('from the second tab');
  await tab.page.getByRole('textbox', { name: 'Write to bob' }).press('Enter');
  await log(one).getByText('from the second tab').waitFor();
});
