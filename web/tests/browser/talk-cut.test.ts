// The network and the server going away under people who write: nothing lost, nothing doubled, order kept, and what is said
// meanwhile. What must not live here: how the engine does it (tests/server/send.test.ts has each stage many times).
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { shoot } from '../kit/browser';
import { Cable } from '../kit/cable';
import { aStage, both, browser } from '../kit/stage';
import { box, good, log, row, write } from '../kit/talkers';

aStage();
let cable: Cable;
beforeAll(async () => {
  cable = await Cable.to(both.shown.url);
});
beforeEach(() => {
  cable.health = 'good';
});
afterAll(() => cable?.close());

const PATIENCE = { timeout: 30_000 };

/** The network is there again, and the browser says so. */
async function back(...pages: Page[]): Promise<void> {
  cable.health = 'good';
  for (const page of pages) await page.evaluate(() => dispatchEvent(new Event('online')));
}

test('cut at every stage, the server killed, two tabs and another person: all there once and in order', async () => {
  const { bob, server } = both;
  // One of its own: a second try must not find what the first has said.
  const talk = await both.group('Cut');
  await both.says(bob, talk, 'Hello');
  const one = await both.at('ada', 'desktop', { url: cable.url, path: `/c/${talk}` });
  let sockets = 0;
  const tab = { ...one, page: await one.context.newPage() };
  tab.page.on('websocket', () => (sockets += 1));
  await tab.page.goto(one.page.url());
  const other = await both.at('bob', 'phone', { path: `/c/${talk}` });
  await log(tab).getByText('Hello').waitFor();
  // Before it leaves.
  cable.pull();
  await write(one, 'a1');
  await write(tab, 'a2');
  await log(one).getByText('Waiting').nth(1).waitFor({ state: 'attached' });
  await back(one.page, tab.page);
  await expect.poll(() => both.texts(bob, talk), PATIENCE).toEqual(['Hello', 'a1', 'a2']);
  await expect.poll(() => log(one).getByText('Waiting').count(), PATIENCE).toBe(0);
  // On its way: the browser has sent it, the server never gets it.
  cable.health = 'mute';
  await write(one, 'b1');
  await expect.poll(() => cable.lost, PATIENCE).toBeGreaterThan(0);
  cable.pull();
  await back(one.page, tab.page);
  await expect.poll(() => both.texts(bob, talk), PATIENCE).toEqual(['Hello', 'a1', 'a2', 'b1']);
  await expect.poll(() => log(one).getByText('Waiting').count(), PATIENCE).toBe(0);
  // The server has it, and its answer never comes.
  cable.health = 'deaf';
  await write(tab, 'c1');
  await expect.poll(() => both.texts(bob, talk), PATIENCE).toContain('c1');
  await write(one, 'c2');
  await expect.poll(() => log(one).getByText('Waiting').count()).toBe(2);
  cable.pull();
  // And the server falls over while the outbox is full.
  await server.kill('SIGKILL');
  await write(one, 'd1');
  await write(tab, 'd2');
  await write(other, 'from bob');
  await server.restart();
  await back(one.page, tab.page, other.page);
  const all = ['Hello', 'a1', 'a2', 'b1', 'c1', 'c2', 'd1', 'd2'];
  const mine = async () => (await both.texts(bob, talk)).filter((text) => text !== 'from bob');
  await expect.poll(mine, PATIENCE).toEqual(all);
  await expect.poll(() => both.texts(bob, talk), PATIENCE).toHaveLength(all.length + 1);
  for (const person of [one, tab, other]) {
    await expect.poll(() => log(person).locator('.said').allInnerTexts(), PATIENCE).toEqual(await both.texts(bob, talk));
    await expect.poll(() => log(person).getByText('Waiting').count(), PATIENCE).toBe(0);
  }
  // One socket for both tabs: the second page never opened any.
  expect(sockets).toBe(0);
});

test('what is wished without a line outlives its page and is told later; what is refused then is said, and stays until it was read', async () => {
  const { ada, bob, server } = both;
  const [crew, quay] = [await both.group('Crew'), await both.group('Quay')];
  for (const talk of [crew, quay]) await both.says(ada, talk, 'Bring the ropes');
  const one = await both.at('bob', 'phone', { url: cable.url });
  const saved = async () => {
    const reply = await server.api(bob.token).command({ id: 1, type: 'saved', limit: 5 });
    return reply.type === 'saved' ? reply.saved.map(({ event }) => event.conversation) : [];
  };
  const save = async (talk: string) => {
    await one.page.getByRole('link', { name: talk }).click();
    await row(one, 'Bring the ropes').click({ button: 'right' });
    await one.page.getByRole('menuitem', { name: 'Save for later' }).click();
    await row(one, 'Bring the ropes').getByLabel('Saved', { exact: true }).waitFor({ state: 'attached' });
    await one.page.getByRole('button', { name: 'Back' }).click();
  };
  // What is needed then has to be here before.
  for (const talk of ['Crew', 'Quay']) {
    await one.page.getByRole('link', { name: talk }).click();
    await row(one, 'Bring the ropes').click({ button: 'right' });
    await one.page.getByRole('menuitem', { name: 'Save for later' }).waitFor();
    await one.page.keyboard.press('Escape');
    await one.page.getByRole('button', { name: 'Back' }).click();
  }
  // It leaves the page, and never comes to the server.
  cable.health = 'mute';
  const lost = cable.lost;
  await save('Crew');
  await expect.poll(() => cable.lost, PATIENCE).toBeGreaterThan(lost);
  await save('Quay');
  expect(await saved()).toEqual([]);
  cable.pull();
  await both.command(ada, { type: 'kick', conversation: quay, user: bob.user });
  cable.health = 'good';
  await one.page.reload();
  await expect.poll(saved, PATIENCE).toEqual([crew]);
  const said = one.page.getByRole('alert').getByText(/Saving a message.*Not done/);
  await said.waitFor();
  await good(one);
  await shoot(one, 'undone');
  await one.page.reload();
  await said.waitFor();
  await one.page.locator('.banner', { has: said }).getByRole('button', { name: 'Close' }).click();
  await said.waitFor({ state: 'detached' });
  await one.page.reload();
  await one.page.getByRole('link', { name: 'Crew' }).waitFor();
  expect(await said.count()).toBe(0);
});

test('away from home it says what to check; a newer version is offered calmly, and outbox and draft stay', async () => {
  const { bob, ada, server } = both;
  await both.says(bob, ada, 'Good evening');
  const one = await both.at('ada', 'phone', { url: cable.url, noWorker: true });
  one.page.on('dialog', (dialog) => {
    one.complaints.push(dialog.message());
    void dialog.accept();
  });
  await one.page.getByRole('link', { name: /^bob/ }).click();
  await write(one, `${'x'.repeat(33_000)} too long`);
  await log(one).getByText('Not sent').waitFor();
  await box(one).fill('not yet said');
  cable.pull();
  await server.kill();
  await one.page.getByRole('status').getByText('does not answer. You are perhaps not on its network').waitFor();
  await one.page.getByText('What to check').click();
  await one.page.getByText('Is it on the same Wi-Fi').waitFor();
  await good(one);
  await shoot(one, 'away');
  // What comes back has other files.
  await one.context.route(
    (url) => url.pathname === '/',
    async (route) => {
      if (route.request().isNavigationRequest()) return route.continue();
      const page = await route.fetch();
      return route.fulfill({ response: page, body: (await page.text()).replace(/index-[\w-]{8}\.js/, 'index-aaaaaaaa.js') });
    },
  );
  await server.restart();
  await back(one.page);
  await one.page.getByText('There is a newer version').waitFor();
  await good(one);
  await shoot(one, 'newer');
  await one.context.unrouteAll();
  await one.page.getByRole('button', { name: 'Reload' }).click();
  await log(one).getByText('Good evening').waitFor();
  await log(one).getByText('Not sent').waitFor();
  await expect.poll(() => box(one).inputValue()).toBe('not yet said');
  expect(await one.page.getByText('There is a newer version').count()).toBe(0);
  expect(one.complaints).toEqual([]);
});

test('without scripts, and in a browser too old for them, the page says so, and does not before it knows', async () => {
  const bare = await browser.newContext({ javaScriptEnabled: false, baseURL: both.shown.url });
  const none = await bare.newPage();
  await none.goto('/');
  const says = none.locator('.old');
  await says.waitFor();
  expect(await says.innerText()).toContain('This page needs JavaScript');
  await bare.close();
  const stuck = await browser.newContext({ baseURL: both.shown.url });
  const page = await stuck.newPage();
  await page.route(/\.js$/, (route) => (route.request().url().endsWith('/old.js') ? route.continue() : route.abort()));
  await page.goto('/');
  const hint = page.getByText('This page needs a browser');
  await page.getByRole('img', { name: 'Kinglet' }).waitFor();
  expect(await hint.isVisible()).toBe(false);
  // What such a browser fetches.
  await page.evaluate(() => {
    // The only policy that the server allows; the program that would make it was not let through here.
    const made = (globalThis as unknown as { trustedTypes: { createPolicy: (name: string, rules: object) => { createScriptURL: (url: string) => string } } }).trustedTypes;
    const script = document.createElement('script');
    script.src = made.createPolicy('kinglet-worker', { createScriptURL: (url: string) => url }).createScriptURL('/old.js');
    document.head.append(script);
  });
  await hint.waitFor();
  await stuck.close();
});
