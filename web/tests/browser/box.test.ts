// What an admin has the box do, from the page to the programs of its system, by the real kinglet-board; and that nothing of it is
// there where nobody does it. What must not live here: what each verb does (board/tests), and who may ask (tests/stories/acts.rs).
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Person, shoot } from '../kit/browser';
import { Desk, good } from '../kit/desk';
import { PASSWORD } from '../kit/kinglet';
import { Machine } from '../kit/machine';

/** Nobody has its other half. */
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH ada@laptop';

let machine: Machine;
let desk: Desk;
beforeAll(async () => {
  machine = await Machine.start();
  desk = await Desk.open({ KINGLET_BOARD_ROOT: machine.root });
  await desk.server.claim('ada', undefined, 'Harbour');
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await desk.confess();
});
afterAll(async () => {
  await desk?.close();
  await machine?.stop();
});

const button = ({ page }: Person, name: string) => page.getByRole('button', { name, exact: true });
const inDialog = ({ page }: Person, name: string) => page.getByRole('dialog').getByRole('button', { name, exact: true });
const says = ({ page }: Person, text: string | RegExp) => page.getByText(text).first().waitFor();
const wrong = ({ page }: Person, text: string | RegExp) => page.getByRole('dialog').getByRole('alert').filter({ hasText: text }).waitFor();

test('restart, name, SSH and reset, each asked for once more; a password that is wrong and a key that is none are said', async () => {
  const one = await desk.at('ada', 'desktop');
  const { page } = one;
  await page.goto('/admin/health');
  await page.getByRole('link', { name: 'The box' }).click();
  await button(one, 'Restart').click();
  await good(one);
  await shoot(one, 'admin-box-restart');
  expect(await machine.calls()).toEqual([]);
  await inDialog(one, 'Restart').click();
  await says(one, 'It restarts.');
  expect(await machine.calls()).toEqual(['systemctl --no-block reboot']);

  await page.getByLabel('Name in the network').fill('The Box');
  await button(one, 'Change: Name in the network').click();
  await inDialog(one, 'Change: Name in the network').click();
  await wrong(one, 'That cannot be a name');
  await inDialog(one, 'Cancel').click();
  await page.getByLabel('Name in the network').fill('harbour');
  await button(one, 'Change: Name in the network').click();
  await inDialog(one, 'Change: Name in the network').click();
  await says(one, 'The name is set.');
  expect((await machine.calls()).at(-1)).toBe('hostnamectl set-hostname harbour');

  await says(one, 'SSH is off.');
  await page.getByLabel('Public key').fill('ssh-ed25519 nothing');
  await button(one, 'Switch SSH on').click();
  await page.getByLabel('Your password').fill(PASSWORD);
  await inDialog(one, 'Switch SSH on').click();
  await wrong(one, 'That is not a public key');
  await inDialog(one, 'Cancel').click();
  await page.getByLabel('Public key').fill(KEY);
  await button(one, 'Switch SSH on').click();
  await page.getByLabel('Your password').fill('another one');
  await inDialog(one, 'Switch SSH on').click();
  await wrong(one, 'password is wrong');
  await good(one);
  await shoot(one, 'admin-box-ssh');
  await page.getByLabel('Your password').fill(PASSWORD);
  await inDialog(one, 'Switch SSH on').click();
  await says(one, 'SSH is on for 24 hours: ssh kinglet-admin@');
  expect(await readFile(path.join(machine.root, 'etc/kinglet-board/authorized_keys'), 'utf8')).toBe(`${KEY}\n`);
  await good(one);
  await shoot(one, 'admin-box');

  await button(one, 'Reset the settings').click();
  await page.getByLabel('Type reset settings to confirm').fill('reset');
  await page.getByLabel('Your password').fill(PASSWORD);
  expect(await inDialog(one, 'Reset the settings').getAttribute('aria-disabled')).toBe('true');
  await inDialog(one, 'Cancel').click();
  expect((await machine.calls()).filter((call) => call.includes('reboot'))).toHaveLength(1);
  await page.goto('/admin/audit');
  await page.getByRole('row').filter({ hasText: 'The box was asked' }).filter({ hasText: 'SSH on' }).first().waitFor();
  await desk.leave(one);
});

test('on a phone and in Chinese: without a stick the box says what to do; everything is erased only with the words and the password', async () => {
  const one = await desk.at('ada', 'phone', { language: 'zh-CN', scheme: 'dark' });
  const { page } = one;
  await page.goto('/admin/box');
  await button(one, '从 U 盘安装').click();
  await inDialog(one, '从 U 盘安装').click();
  await wrong(one, '设备没有照办');
  await good(one);
  await inDialog(one, '取消').click();
  await good(one);
  await shoot(one, 'admin-box');
  await button(one, '抹掉一切').click();
  await page.getByLabel('输入 erase everything 以确认').fill('erase everything');
  await page.getByLabel('您的密码').fill('another one');
  await inDialog(one, '抹掉一切').click();
  await wrong(one, /\S/);
  await good(one);
  await shoot(one, 'admin-box-erase');
  const before = (await machine.calls()).length;
  await page.getByLabel('您的密码').fill(PASSWORD);
  await inDialog(one, '抹掉一切').click();
  await says(one, '正在重置，随后重新启动。');
  const calls = (await machine.calls()).slice(before);
  expect(calls.at(-1)).toBe('systemctl --no-block reboot');
  expect(calls).toContain('systemctl stop kinglet.socket kinglet-http.socket kinglet.service');
  await desk.leave(one);
});

test('an update that did not work is told, and may be tried again; a box that knows nobody whose updates it could take says so, and offers none', async () => {
  const one = await desk.at('ada', 'desktop');
  const failed = { version: '0.2.0-1', why: 'it ended 3 times by itself' };
  await machine.file('var/lib/kinglet-switch/state.json', JSON.stringify({ failed }));
  await one.page.goto('/admin/box');
  await says(one, 'The last update, 0.2.0-1, did not work');
  await button(one, 'Install from the stick').waitFor();
  await good(one);
  await rm(path.join(machine.root, 'usr/share/kinglet/update.pub'));
  await one.page.goto('/admin/box');
  await says(one, 'This box takes no update from a stick');
  expect(await button(one, 'Install from the stick').count()).toBe(0);
  await good(one);
  await desk.leave(one);
});

test('where nobody does it, there is no page; who comes by its address is told', async () => {
  const bare = await Desk.open({ KINGLET_BOARD_ROOT: path.join(machine.root, 'nowhere') });
  try {
    await bare.server.claim('ada', undefined, 'Harbour');
    const one = await bare.at('ada', 'desktop');
    await one.page.goto('/admin/health');
    await one.page.locator('.figure').first().waitFor();
    expect(await one.page.getByRole('link', { name: 'The box' }).count()).toBe(0);
    await one.page.goto('/admin/box');
    await one.page.getByText('Nothing on this machine does this').waitFor();
    await good(one);
    await bare.leave(one);
  } finally {
    await bare.close();
  }
});
