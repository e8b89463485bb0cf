// The first run and joining, as people do them: on a phone and on a desktop, in both languages and themes. What must not live
// here: chatting (chat.test.ts).
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { uuidv7 } from '../../src/engine/ids';
import { launch, PLAIN_HOST, type Person, shoot, type Size } from '../kit/browser';
import { guest, guestsLeave, type Manner } from '../kit/guests';
import { Kinglet, PASSWORD, rightClock } from '../kit/kinglet';
import { front } from '../kit/preview';
import { found, groups, keep, setUp } from '../kit/setup';
import { good } from '../kit/talkers';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

let server: Kinglet;
let shown: { url: string; close: () => Promise<void> };
beforeEach(async () => {
  server = await Kinglet.start({ KINGLET_LISTEN_HOSTS: PLAIN_HOST });
  shown = await front(server);
});
afterEach(async () => {
  await shown?.close();
  await server?.stop();
});

guestsLeave();
const somebody = (...how: Manner) => guest(browser, shown.url, ...how);

describe.each<[Size, 'light' | 'dark']>([
  ['phone', 'light'],
  ['desktop', 'dark'],
])('%s, %s', (size, scheme) => {
  test('claim to invitation: at most six fields and five taps, the sheet included; then join by its link: two fields and one', async () => {
    const ada = await somebody(size, { scheme });
    await ada.page.goto('/');
    await ada.page.getByRole('heading', { name: 'Set up your team’s chat' }).waitFor();
    expect(await ada.page.getByRole('textbox').count()).toBe(5);
    await good(ada);
    await shoot(ada, `setup-${scheme}`);
    const hands = await found(ada, server);
    await good(ada);
    await shoot(ada, `sheet-${scheme}`);
    await keep(ada, hands);
    await ada.page.locator('.qr path[d^="M"]').waitFor();
    // The address was filled in already, and may be changed; whoever prints the sheet taps once more.
    expect(hands.fields + 1).toBeLessThanOrEqual(6);
    expect(hands.taps + 1).toBeLessThanOrEqual(5);
    const link = new URL(await ada.page.getByRole('textbox', { name: 'Copy the link' }).inputValue());
    expect(link.pathname).toBe('/join');
    await good(ada);
    await shoot(ada, `invite-${scheme}`);
    await ada.page.getByRole('button', { name: 'Start talking' }).click();
    await ada.page.getByRole('heading', { name: 'Harbour', level: 1 }).waitFor();

    const bob = await somebody(size, { scheme });
    await bob.page.goto(`/join${link.hash}`);
    await bob.page.getByRole('heading', { name: 'ada invites you to Harbour' }).waitFor();
    await bob.page.getByRole('banner').getByText('Harbour').waitFor();
    expect(await bob.page.getByRole('textbox').count()).toBe(2);
    await good(bob);
    await shoot(bob, `join-${scheme}`);
    await bob.page.getByLabel('Your name').fill('bob');
    await bob.page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await bob.page.getByRole('button', { name: 'Join' }).click();
    const box = bob.page.getByRole('textbox', { name: 'Write to Harbour' });
    await box.fill('I am in');
    await bob.page.getByRole('button', { name: 'Send' }).click();
    await ada.page.getByRole('log').getByText('I am in').waitFor();
    expect(new URL(bob.page.url()).hash).toBe('');
    await good(ada);
    await good(bob);
    await shoot(ada, `talk-${scheme}`);
  });
});

test('in Chinese all of it is Chinese', async () => {
  const ada = await somebody('phone', { language: 'zh-CN', scheme: 'dark' });
  await ada.page.goto('/');
  await ada.page.getByRole('heading', { name: '设置团队聊天' }).waitFor();
  expect(await ada.page.evaluate(() => document.documentElement.lang)).toBe('zh-Hans');
  await good(ada);
  await shoot(ada, 'setup-zh');
  const address = await ada.page.getByLabel('团队使用的地址').inputValue();
  expect(new URL(address).hostname).toBe('127.0.0.1');
  await ada.page.getByLabel('认领码').fill('0000000000');
  await ada.page.getByLabel('团队名称').fill('港口');
  await ada.page.getByLabel('您的名字').fill('ada');
  await ada.page.getByLabel('密码', { exact: true }).fill(PASSWORD);
  await ada.page.getByLabel('团队使用的地址').fill('https://elsewhere.example');
  await ada.page.getByRole('button', { name: '创建团队' }).click();
  await ada.page.getByRole('alert').getByText('hosts = ["elsewhere.example"]').waitFor();
  await ada.page.getByLabel('团队使用的地址').fill(address);
  await ada.page.getByRole('button', { name: '创建团队' }).click();
  await ada.page.getByRole('alert').getByText('认领码不正确').waitFor();
  await ada.page.getByLabel('认领码').fill(server.claimCode);
  await ada.page.getByRole('button', { name: '创建团队' }).click();
  await ada.page.getByRole('heading', { name: '您的应急单' }).waitFor();
  await good(ada);
  await shoot(ada, 'sheet-zh');
  const paper = await groups(ada);
  await ada.page.getByRole('button', { name: '我已记在纸上' }).click();
  await good(ada);
  const asked = (await ada.page.locator('label').filter({ hasText: '密钥的第' }).innerText()).match(/\d+/g)!.map(Number);
  await ada.page.getByLabel(/密钥的第/).fill('xxxx xxxx');
  await ada.page.getByRole('button', { name: '核对' }).click();
  await ada.page.getByRole('alert').getByText('与密钥不符').waitFor();
  await ada.page.getByLabel(/密钥的第/).fill(asked.map((at) => paper[at - 1]).join(''));
  await ada.page.getByRole('button', { name: '核对' }).click();
  await ada.page.getByRole('button', { name: '开始聊天' }).click();
  await ada.page.getByRole('heading', { name: '港口', level: 1 }).waitFor();
  await good(ada);
  await shoot(ada, 'talk-zh');
});

test('an invitation that is too old, used up, taken back or nonsense says who to ask', async () => {
  await server.stop();
  await shown.close();
  server = await Kinglet.start(await rightClock());
  shown = await front(server);
  const owner = await server.claim();
  const old = await server.invite(owner);
  const check = () => server.api().checkInvitation({ code: old.code });
  expect((await check()).valid).toBe(true);
  // It was made for one day.
  await server.passDays(2);
  await expect(check()).rejects.toMatchObject({ code: 'invitation_invalid' });
  const used = await server.invite(owner);
  await server.api().join({ code: used.code, name: 'eve', display_name: '', password: PASSWORD, device: { id: uuidv7(), name: 'x' } });
  const revoked = await server.invite(owner);
  const answer = await fetch(`${server.url}/api/v1/invitations/${revoked.id}`, { method: 'DELETE', headers: { Authorization: `Bearer ${owner.token}` } });
  expect(answer.status).toBe(204);
  const bob = await somebody('phone');
  for (const code of [old.code, used.code, revoked.code, 'AAAA-BBBB-CCCC-DDDD', '']) {
    await bob.page.goto('about:blank');
    await bob.page.goto(`/join#${code}`);
    await bob.page.getByRole('heading', { name: 'This invitation does not work' }).waitFor();
    await bob.page.getByText(/Ask the person who sent it/).waitFor();
    await good(bob);
  }
  await shoot(bob, 'join-bad');
  await bob.page.getByRole('link', { name: 'I have an account' }).click();
  await bob.page.getByRole('heading', { name: 'Sign in' }).waitFor();
});

test('signing in: a wrong password is said in words, the right one leads in, and signing out leads back', async () => {
  await server.claim();
  const ada = await somebody('desktop');
  await ada.page.goto('/');
  await ada.page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await ada.page.getByLabel('Name').fill('ada');
  await ada.page.getByLabel('Password', { exact: true }).fill('not the one');
  await ada.page.keyboard.press('Enter');
  await ada.page.getByRole('alert').getByText('The name or the password is wrong.').waitFor();
  await good(ada);
  await shoot(ada, 'sign-in');
  await ada.page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await ada.page.keyboard.press('Enter');
  await ada.page.getByRole('heading', { name: 'Conversations' }).waitFor();
  await good(ada);
  await ada.page.reload();
  await ada.page.getByRole('heading', { name: 'Conversations' }).waitFor();
  await ada.page.getByLabel('Menu').click();
  await ada.page.getByRole('button', { name: 'Sign out' }).click();
  await ada.page.getByRole('heading', { name: 'Sign in' }).waitFor();
});

test('a reset link gives a new password once, and says what to do when it is spent', async () => {
  const owner = await server.claim();
  const bob = await server.join(owner, 'bob');
  const made = await fetch(`${server.url}/api/v1/users/${bob.user}/reset-link`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${owner.token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ client_id: uuidv7() }),
  });
  const { hash } = new URL(((await made.json()) as { link: string }).link);
  const one = await somebody('phone');
  await one.page.goto(`/reset${hash}`);
  await one.page.getByRole('heading', { name: 'A new password for bob' }).waitFor();
  await good(one);
  await one.page.getByLabel('Password', { exact: true }).fill('another quiet heron');
  await one.page.getByRole('button', { name: 'Set it and sign in' }).click();
  await one.page.getByRole('heading', { name: 'Conversations' }).waitFor();
  const late = await somebody('phone', { language: 'zh-CN' });
  await late.page.goto(`/reset${hash}`);
  await late.page.getByText(/请向团队管理员索取新的链接/).waitFor();
  await good(late);
  await shoot(late, 'reset-bad');
  await late.page.getByRole('link', { name: '我已有账号' }).click();
  await late.page.getByRole('heading', { name: '登录' }).waitFor();
  expect(new URL(late.page.url()).pathname).toBe('/sign-in');
});

test('without a secure context nothing crashes: no locks, no clipboard, no randomUUID, and still two tabs on one line', async () => {
  const ada = await guest(browser, shown.url.replace('127.0.0.1', PLAIN_HOST), 'phone');
  await ada.page.goto('/');
  await ada.page.getByLabel('Claim code').waitFor();
  expect(await ada.page.evaluate(() => [isSecureContext, 'locks' in navigator, 'clipboard' in navigator])).toEqual([false, false, false]);
  await setUp(ada, server);
  await ada.page.getByRole('button', { name: 'Copy the link' }).click();
  await ada.page.getByText('Copied').waitFor();
  await ada.page.getByRole('button', { name: 'Start talking' }).click();
  const second: Person = { ...ada, page: await ada.context.newPage() };
  await second.page.goto(ada.page.url());
  for (const [from, to, text] of [[ada, second, 'from the first'], [second, ada, 'from the second']] as const) {
    await from.page.getByRole('textbox', { name: 'Write to Harbour' }).fill(text);
    await from.page.getByRole('button', { name: 'Send' }).click();
    await to.page.getByRole('log').getByText(text).waitFor();
    await from.page.getByRole('log').getByText('Waiting').first().waitFor({ state: 'detached' });
  }
  await good(ada);
});

test('the keyboard alone suffices to set up', async () => {
  const ada = await somebody('desktop');
  await ada.page.goto('/');
  await ada.page.getByLabel('Claim code').waitFor();
  // The first field has the focus, a moment after it is there.
  await ada.page.locator('input:focus').waitFor();
  for (const text of [server.claimCode, 'Harbour', 'ada', PASSWORD]) {
    await ada.page.keyboard.type(text);
    if (text !== PASSWORD) await ada.page.keyboard.press('Tab');
  }
  await ada.page.keyboard.press('Enter');
  await ada.page.getByRole('button', { name: 'I have it on paper' }).waitFor();
  const paper = await groups(ada);
  await ada.page.getByRole('button', { name: 'I have it on paper' }).focus();
  await ada.page.keyboard.press('Enter');
  // The field has the focus again.
  await ada.page.locator('input:focus').waitFor();
  const asked = (await ada.page.locator('label').filter({ hasText: 'of the key' }).innerText()).match(/\d+/g)!.map(Number);
  await ada.page.keyboard.type(asked.map((at) => paper[at - 1]).join(''));
  await ada.page.keyboard.press('Enter');
  await ada.page.getByRole('button', { name: 'Start talking' }).waitFor();
  await ada.page.getByRole('button', { name: 'Start talking' }).focus();
  await ada.page.keyboard.press('Enter');
  await ada.page.getByRole('textbox', { name: 'Write to Harbour' }).waitFor();
  await ada.page.keyboard.type('typed at once');
  await ada.page.keyboard.press('Enter');
  await ada.page.getByRole('log').getByText('typed at once').waitFor();
});
