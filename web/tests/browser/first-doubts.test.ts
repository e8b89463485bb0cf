// What people are warned of before they tell an address to others, what a form says is wrong, and links that lead back to what there is
// already. What must not live here: the plain way (first.test.ts).
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Browser } from 'playwright-core';
import type { SignedIn } from '../../src/proto';
import { uuidv7 } from '../../src/engine/ids';
import { launch, PLAIN_HOST, shoot } from '../kit/browser';
import { Desk } from '../kit/desk';
import { guest, guestsLeave } from '../kit/guests';
import { Kinglet, PASSWORD } from '../kit/kinglet';
import { front } from '../kit/preview';
import { Hands, keep } from '../kit/setup';
import { good } from '../kit/talkers';

let browser: Browser;
let desk: Desk;
let owner: SignedIn;
beforeAll(async () => {
  [browser, desk] = await Promise.all([launch(), Desk.open()]);
  owner = await desk.server.claim('ada', undefined, 'Harbour');
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await desk.confess();
});
afterAll(async () => {
  await browser?.close();
  await desk?.close();
});
guestsLeave();

test('the first form says all that is wrong at once; an address is doubted before it is saved, refused with the line to write, and saved all the same', async () => {
  const server = await Kinglet.start({ KINGLET_LISTEN_HOSTS: PLAIN_HOST });
  const shown = await front(server);
  const ada = await guest(browser, shown.url, 'phone');
  const { page } = ada;
  const create = () => page.getByRole('button', { name: 'Create the team' }).click();
  const wrong = page.locator('.field .wrong');
  await page.goto('/');
  // The server listens where only its own machine gets.
  await page.getByText('opens only on the server’s own machine').waitFor();
  await create();
  await expect.poll(() => wrong.allInnerTexts()).toEqual(Array.from({ length: 4 }, () => 'This is needed.'));
  expect(await page.evaluate(() => document.activeElement?.getAttribute('inputmode'))).toBe('numeric');
  await page.getByLabel('Claim code').fill('123');
  await page.getByLabel('Team name').fill('Harbour');
  await page.getByLabel('Your name').fill('ada l');
  await page.getByLabel('Password', { exact: true }).fill('short');
  await create();
  await expect.poll(() => wrong.allInnerTexts()).toEqual(['The code has ten digits.', expect.stringContaining('without blanks'), 'At least 8 characters.']);
  await good(ada);
  await shoot(ada, 'setup-wrong');
  await page.getByLabel('Claim code').fill(server.claimCode);
  await page.getByLabel('Your name').fill('ada');
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  const address = page.getByLabel('Address for your team');
  await address.fill('http://192.0.2.7:9999');
  const doubted = page.getByRole('status').getByText('This page was not opened by http://192.0.2.7:9999');
  await doubted.waitFor();
  expect(await page.getByRole('link', { name: 'Try it in another tab' }).getAttribute('href')).toBe('http://192.0.2.7:9999');
  await good(ada);
  await shoot(ada, 'setup-doubt');
  await address.fill(shown.url);
  await doubted.waitFor({ state: 'detached' });
  await address.fill('https://elsewhere.example:8443');
  await create();
  await page.getByRole('alert').getByText('hosts = ["elsewhere.example"]').waitFor();
  await page.getByRole('alert').getByText('listen.hosts').waitFor();
  await good(ada);
  await shoot(ada, 'setup-host');
  // A name of its own by a port that a proxy may have.
  await address.fill(`http://${PLAIN_HOST}:9999`);
  await page.getByText(`This page was not opened by http://${PLAIN_HOST}:9999`).waitFor();
  await create();
  await page.getByRole('heading', { name: 'Your emergency sheet' }).waitFor();
  await keep(ada, new Hands(ada));
  expect(await page.getByRole('textbox', { name: 'Copy the link' }).inputValue()).toContain(`http://${PLAIN_HOST}:9999/join#`);
  expect(await page.getByText('opens only on').count()).toBe(0);
  await shown.close();
  await server.stop();
});

test('an invitation of a server that only its own machine reaches says so; the same one is shown until somebody came by it', async () => {
  const one = await desk.at('ada', 'phone');
  const { page } = one;
  const dialog = page.getByRole('dialog');
  const invite = async () => {
    await page.getByRole('button', { name: 'Invite' }).click();
    await dialog.getByRole('button', { name: 'Invite' }).click();
    await dialog.locator('.qr path[d^="M"]').waitFor();
    const link = await dialog.getByRole('textbox').inputValue();
    return link;
  };
  const close = () => dialog.getByRole('button', { name: 'Close' }).click();
  await page.goto('/');
  const first = await invite();
  await dialog.getByText('opens only on the server’s own machine').waitFor();
  expect(await dialog.getByRole('button', { name: 'Make another link' }).count()).toBe(0);
  await close();
  expect(await invite()).toBe(first);
  await dialog.getByText('nobody has come by it yet').waitFor();
  await good(one);
  await shoot(one, 'invite-again');
  await dialog.getByRole('button', { name: 'Make another link' }).click();
  const link = () => dialog.getByRole('textbox').inputValue();
  await expect.poll(link).not.toBe(first);
  const second = await link();
  await close();
  expect(await invite()).toBe(second);
  const join = (by: string, name: string) =>
    desk.server.api().join({ code: new URL(by).hash.slice(1), name, display_name: '', password: PASSWORD, device: { id: uuidv7(), name: 'x' } });
  for (const [by, name] of [[first, 'bob'], [second, 'cyd']] as const) await join(by, name);
  await close();
  const third = await invite();
  expect([first, second]).not.toContain(third);
  await dialog.getByRole('link', { name: 'Name and address of the server' }).click();
  await page.getByRole('heading', { name: 'Name and address', level: 1 }).waitFor();
  await page.getByRole('textbox', { name: 'New address' }).fill('http://192.0.2.7:9999');
  await page.getByRole('button', { name: 'Change the address' }).click();
  await dialog.getByText('This page was not opened by http://192.0.2.7:9999').waitFor();
  await good(one);
  await shoot(one, 'admin-server-doubt');
  await desk.leave(one);
});

test('who is signed in and opens a link that is used up, somebody else’s, or for another device, sees who they are and a way on', async () => {
  const { code } = await desk.server.invite(owner);
  await desk.server.api().join({ code, name: 'dan', display_name: '', password: PASSWORD, device: { id: uuidv7(), name: 'x' } });
  const dan = (await desk.server.api(owner.token).call<{ users: { user: string; name: string }[] }>('GET', '/api/v1/users')).users.find(({ name }) => name === 'dan')!;
  const path = `/api/v1/users/${dan.user}/reset-link`;
  const reset = await desk.server.api(owner.token).call<{ link: string }>('POST', path, { client_id: uuidv7() });
  const one = await desk.at('ada', 'desktop', { scheme: 'dark' });
  const { page } = one;
  for (const way of [`/join#${code}`, '/join#AAAA-BBBB-CCCC-DDDD', '/pair#4821-7730', '/reset#48DPK-GW5GA-VJ3NR-67VPN-3ST9G-V', `/reset${new URL(reset.link).hash}`]) {
    await page.goto('about:blank');
    await page.goto(way);
    await page.getByText('You are signed in here as ada.').waitFor();
    await good(one);
    await page.getByRole('link', { name: 'Start talking' }).click();
    await page.getByRole('heading', { name: 'Conversations' }).waitFor();
  }
  await desk.leave(one);
});

test('joining says all that is wrong at once, too, and where to begin when one is in no group', async () => {
  const { code } = await desk.server.invite(owner);
  const bob = await guest(browser, desk.url, 'phone', { language: 'zh-CN', scheme: 'dark' });
  const { page } = bob;
  await page.goto(`/join#${code}`);
  const join = () => page.getByRole('button', { name: '加入' }).click();
  await join();
  await expect.poll(() => page.locator('.field .wrong').allInnerTexts()).toEqual(['此项必填。', '此项必填。']);
  await page.getByLabel('您的名字').fill('eve@home');
  await page.getByLabel('密码', { exact: true }).fill('1234');
  await join();
  await expect.poll(() => page.locator('.field .wrong').count()).toBe(2);
  await good(bob);
  await shoot(bob, 'join-wrong');
  await page.getByLabel('您的名字').fill('eve');
  await page.getByLabel('密码', { exact: true }).fill(PASSWORD);
  await join();
  await page.getByText('请邀请您的人把您加入群组').waitFor();
  await good(bob);
  await shoot(bob, 'nowhere-yet');
});
