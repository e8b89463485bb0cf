// Ways in that are not a form: a code from another device, an iPhone that installs first, a browser inside another app, an
// invitation for somebody else, and the sheet of a server that has been running. What must not live here: the plain way
// (first.test.ts).
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SignedIn } from '../../src/proto';
import { launch, type Person, shoot } from '../kit/browser';
import { guest, guestsLeave, type Manner } from '../kit/guests';
import { Kinglet, PASSWORD } from '../kit/kinglet';
import { front } from '../kit/preview';
import { groups, Hands } from '../kit/setup';
import { good } from '../kit/talkers';

const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1';

let browser: Browser;
let server: Kinglet;
let shown: { url: string; close: () => Promise<void> };
let owner: SignedIn;
beforeAll(async () => {
  browser = await launch();
  server = await Kinglet.start();
  shown = await front(server);
  owner = await server.claim('ada', undefined, 'Harbour');
});
afterAll(async () => {
  await browser?.close();
  await shown?.close();
  await server?.stop();
});
guestsLeave();

const somebody = (...how: Manner) => guest(browser, shown.url, ...how);

async function signIn(one: Person, name: string): Promise<void> {
  await one.page.goto('/');
  await one.page.getByLabel('Name').fill(name);
  await one.page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await one.page.keyboard.press('Enter');
  await one.page.getByRole('heading', { name: 'Conversations' }).waitFor();
}

const ask = (path: string, token: string, body?: object, method = 'POST') =>
  fetch(`${server.url}/api/v1/${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}`, ...(body ? { 'Content-Type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });

test('a second device comes in by a short code and a number that both show', async () => {
  const { code } = (await (await ask('devices/code', owner.token)).json()) as { code: string };
  const phone = await somebody('phone');
  await phone.page.goto('/');
  await phone.page.getByRole('link', { name: 'I have a code' }).click();
  await phone.page.getByRole('heading', { name: 'I have a code' }).waitFor();
  await good(phone);
  await shoot(phone, 'code');
  await phone.page.getByLabel('Code').fill('482');
  await phone.page.getByRole('button', { name: 'Go on' }).click();
  await phone.page.getByRole('alert').getByText(/No code looks like this/).waitFor();
  await phone.page.getByLabel('Code').fill(code.toLowerCase());
  await phone.page.getByRole('button', { name: 'Go on' }).click();
  const number = await phone.page.getByLabel('The number').innerText();
  await good(phone);
  await shoot(phone, 'pair');
  const state = (await (await ask('devices/code?wait=20', owner.token, undefined, 'GET')).json()) as { number: string };
  expect(state.number).toBe(number);
  expect((await ask('devices/code/confirm', owner.token, { number })).status).toBe(204);
  await phone.page.getByRole('heading', { name: 'Conversations' }).waitFor();
  expect(new URL(phone.page.url()).pathname).toBe('/');
  await phone.page.reload();
  await phone.page.getByRole('heading', { name: 'Conversations' }).waitFor();

  // The code let one in, and lets in no other.
  const other = await somebody('phone', { language: 'zh-CN', scheme: 'dark' });
  await other.page.goto(`/pair#${code.replace('-', '')}`);
  await other.page.getByRole('alert').getByText(/此代码已失效/).waitFor();
  await good(other);
});

test('on an iPhone: install first, then join by the code in the installed app', async () => {
  const { code } = await server.invite(owner);
  const safari = await somebody('phone', { agent: IPHONE });
  await safari.page.goto(`/join#${code}`);
  await safari.page.getByRole('heading', { name: 'Put it on your home screen first' }).waitFor();
  expect(await safari.page.getByLabel('Your invitation’s code').inputValue()).toBe(code);
  await safari.page.getByRole('heading', { name: 'ada invites you to Harbour' }).waitFor();
  await good(safari);
  await shoot(safari, 'install-first');
  await safari.page.getByRole('button', { name: 'Join in Safari instead' }).click();
  await safari.page.getByLabel('Your name').waitFor();

  // The installed app begins at its own address, and knows nothing of what Safari keeps.
  const app = await somebody('phone', { agent: IPHONE, installed: true });
  await app.page.goto('/');
  await app.page.getByRole('link', { name: 'I have a code' }).click();
  await app.page.getByLabel('Code').fill(code);
  await app.page.getByRole('button', { name: 'Go on' }).click();
  await app.page.getByLabel('Your name').fill('ines');
  await app.page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await app.page.getByRole('button', { name: 'Join' }).click();
  await app.page.getByRole('heading', { name: 'Conversations' }).waitFor();
});

test('inside another app it is said what to tap there, in both languages', async () => {
  const { code } = await server.invite(owner);
  for (const [agent, language, words] of [
    ['MicroMessenger/8.0.47', 'zh-CN', '点右上角的 ⋯，再选“在浏览器打开”。'],
    ['Instagram 330.0.0', 'en', 'Tap ⋯ at the top right, then “Open in external browser”.'],
    ['Line/14.5.0', 'en', 'Tap ⋮ at the bottom right, then “Open in other app”.'],
  ] as const) {
    const bob = await somebody('phone', { agent: `${IPHONE} ${agent}`, language });
    await bob.page.goto(`/join#${code}`);
    const note = bob.page.getByRole('complementary');
    await note.getByText(words).waitFor();
    expect(await note.getByRole('textbox').inputValue()).toContain(`/join#${code}`);
    // Nobody is kept from joining.
    await bob.page.getByRole('button', { name: language === 'en' ? 'Join' : '加入' }).waitFor();
    await good(bob);
    await shoot(bob, `in-app-${agent.slice(0, 4)}`);
  }
});

test('an invitation that is opened by who is here already says whom it is for', async () => {
  const fresh = await server.invite(owner);
  const ada = await somebody('desktop');
  await signIn(ada, 'ada');
  await ada.page.goto(`/join#${fresh.code}`);
  await ada.page.getByText('You are signed in here as ada.').waitFor();
  await ada.page.getByText(/send it on to them/).waitFor();
  await good(ada);
});

test('the sheet of a running server: printed alone, refused to who is no owner, made anew in place of the one before', async () => {
  const eve = await server.join(owner, 'eve');
  expect(eve.role).toBe('member');
  const member = await somebody('phone');
  await signIn(member, 'eve');
  await member.page.goto('/sheet');
  await member.page.getByText('Only an owner of the server makes the emergency sheet.').waitFor();
  const ada = await somebody('desktop');
  await signIn(ada, 'ada');
  await ada.page.getByLabel('Menu').click();
  await ada.page.getByRole('link', { name: 'Emergency sheet' }).click();
  const seen: string[] = [];
  for (const round of [1, 2]) {
    await ada.page.getByRole('button', { name: 'Make a new key' }).click();
    await ada.page.getByRole('heading', { name: 'Your emergency sheet' }).waitFor();
    await ada.page.locator('.qr path[d^="M"]').waitFor();
    await good(ada);
    seen.push((await groups(ada)).join(''));
    if (round === 1) {
      await ada.page.emulateMedia({ media: 'print' });
      await ada.page.screenshot({ path: 'screens/sheet-print.png', fullPage: true });
      expect(await ada.page.getByRole('button', { name: 'Print' }).isVisible()).toBe(false);
      await ada.page.emulateMedia({ media: null });
    }
    const hands = new Hands(ada);
    await hands.tap('I have it on paper');
    const asked = (await ada.page.locator('label').filter({ hasText: 'of the key' }).innerText()).match(/\d+/g)!.map(Number);
    await hands.fill(/of the key/, 'wrong');
    await hands.tap('Check');
    await ada.page.getByRole('alert').getByText(/not what the key has there/).waitFor();
    await hands.fill(/of the key/, asked.map((at) => seen.at(-1)!.slice(at * 4 - 4, at * 4)).join(''));
    await hands.tap('Check');
    await ada.page.getByRole('heading', { name: 'Keep it safe' }).waitFor();
    const told = (await (await ask('server', owner.token, undefined, 'GET')).json()) as { recovery: { kept: boolean } };
    expect(told.recovery.kept).toBe(true);
    if (round === 1) {
      await ada.page.reload();
      await ada.page.getByText(/There is a recovery key already/).waitFor();
    }
  }
  expect(new Set(seen).size).toBe(2);
  // Neither page nor browser keeps it.
  const kept = await ada.page.evaluate(async () => {
    const names = (await indexedDB.databases()).map((one) => one.name!);
    const all = await Promise.all(
      names.map(
        (name) =>
          new Promise<string>((resolve) => {
            const open = indexedDB.open(name);
            open.onsuccess = () => {
              const stores = [...open.result.objectStoreNames];
              const reads = stores.map((store) => new Promise((done) => {
                const got = open.result.transaction(store).objectStore(store).getAll();
                got.onsuccess = () => done(got.result);
              }));
              void Promise.all(reads).then((rows) => resolve(JSON.stringify(rows)));
            };
          }),
      ),
    );
    return all.join('') + JSON.stringify({ ...localStorage, ...sessionStorage }) + location.href;
  });
  expect(kept).toContain(owner.user);
  for (const key of seen) expect(kept.toUpperCase()).not.toContain(key.slice(0, 20));
});
