// An owner chooses where backups go: onto a stick that is plugged in, by the real kinglet-board, and onto the card. What must not live
// here: how backups stand (backups.test.ts), and who may choose (tests/stories/backup_place.rs).
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { uuidv7 } from '../../src/engine/ids';
import { type Person, shoot } from '../kit/browser';
import { Desk, good } from '../kit/desk';
import { PASSWORD } from '../kit/kinglet';
import { Machine } from '../kit/machine';

let machine: Machine;
let desk: Desk;
beforeAll(async () => {
  machine = await Machine.start();
  desk = await Desk.open({ KINGLET_BOARD_ROOT: machine.root });
  const api = desk.server.api((await desk.server.claim('ada', undefined, 'Harbour')).token);
  const { recipient } = await api.recoveryKey({ client_id: uuidv7() });
  await api.changeServer({ recovery_kept: recipient });
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
const figure = ({ page }: Person, name: string) => page.locator('.figure').filter({ has: page.locator('dt', { hasText: name }) }).locator('strong');
const made = async () => (await readdir(path.join(machine.root, 'stick'))).filter((name) => name.endsWith('.age'));

test('a stick is plugged in and chosen with the password; the first backup is on it at once, and when it is pulled that is said', async () => {
  const one = await desk.at('ada', 'desktop');
  const { page } = one;
  await page.goto('/admin/backups');
  await page.getByRole('alert').filter({ hasText: 'There are no backups' }).waitFor();
  await says(one, 'No USB stick is plugged in.');
  expect(await button(one, 'Send backups there').getAttribute('aria-disabled')).toBe('true');
  await good(one);
  await shoot(one, 'admin-backups-none');
  await machine.plugIn();
  await button(one, 'Look again').click();
  await says(one, /Plugged in: .*sda1/);
  await button(one, 'Send backups there').click();
  await page.getByLabel('Your password').fill('another one');
  await inDialog(one, 'Send backups there').click();
  await page.getByRole('dialog').getByRole('alert').filter({ hasText: 'password is wrong' }).waitFor();
  expect(await machine.calls()).toEqual([]);
  await good(one);
  await shoot(one, 'admin-backups-choose');
  await page.getByLabel('Your password').fill(PASSWORD);
  await inDialog(one, 'Send backups there').click();
  await says(one, 'Backups go there from now on.');
  expect(await figure(one, 'Where').innerText()).toBe('A USB stick in the machine');
  await figure(one, 'Last good one').getByText('just now').waitFor();
  expect(await made()).toHaveLength(1);
  expect(await page.getByRole('alert').filter({ hasText: /\S/ }).count()).toBe(0);
  await good(one);
  await shoot(one, 'admin-backups-stick');
  await machine.pull();
  await button(one, 'Back up now').click();
  await page.getByRole('alert').filter({ hasText: 'There is no USB stick that could be used.' }).waitFor();
  await page.goto('/admin/audit');
  await page.getByRole('row').filter({ hasText: 'Place of backups changed' }).filter({ hasText: 'Nowhere → A USB stick in the box' }).waitFor();
  await desk.leave(one);
});

test('on a phone and in Chinese: the card in the place of the stick is taken, and said to be no help when it breaks', async () => {
  const one = await desk.at('ada', 'phone', { language: 'zh-CN', scheme: 'dark' });
  const { page } = one;
  await page.goto('/admin/backups');
  await page.getByLabel('设备本身').check();
  await good(one);
  await shoot(one, 'admin-backups-place');
  await button(one, '备份到这里').click();
  await page.getByLabel('您的密码').fill(PASSWORD);
  await inDialog(one, '备份到这里').click();
  await says(one, '从现在起备份到这里。');
  await says(one, '与数据在同一块磁盘上');
  await page.getByRole('table', { name: '已保留的备份' }).getByRole('row').filter({ hasText: '.age' }).waitFor();
  expect(await page.getByRole('alert').filter({ hasText: /\S/ }).count()).toBe(0);
  expect(await made()).toHaveLength(1);
  await good(one);
  await shoot(one, 'admin-backups-card');
  await desk.leave(one);
});
