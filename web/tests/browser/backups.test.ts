// What an admin sees of backups and does about them, against a server that makes real ones. What must not live here: that they can be
// restored (tests/stories/restore.rs).
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { uuidv7 } from '../../src/engine/ids';
import type { SignedIn } from '../../src/proto';
import { type Person, shoot } from '../kit/browser';
import { Desk, good } from '../kit/desk';

let desk: Desk;
let ada: SignedIn;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'kinglet-backups-'));
  desk = await Desk.open({ KINGLET_BACKUP_TO: folder });
  ada = await desk.server.claim('ada', undefined, 'Harbour');
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await desk.confess();
});
afterAll(async () => {
  await desk?.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 20 });
});

const figure = ({ page }: Person, name: string) => page.locator('.figure').filter({ has: page.locator('dt', { hasText: name }) }).locator('strong');
const go = ({ page }: Person) => page.getByRole('button', { name: /^(Back up now|立即备份)$/ }).click();
const made = async () => (await readdir(folder)).filter((name) => name.endsWith('.age'));

test('without a key it is said who makes one; with it one is made by a press, and is there, read back', async () => {
  const api = desk.server.api(ada.token);
  const one = await desk.at('ada', 'desktop');
  await one.page.goto('/admin/backups');
  await one.page.getByText('None is there yet.').waitFor();
  await go(one);
  const trouble = one.page.getByRole('alert').filter({ hasText: 'There is no recovery key yet' });
  await trouble.waitFor();
  await trouble.getByRole('link', { name: 'Emergency sheet' }).waitFor();
  expect(await made()).toEqual([]);
  await good(one);
  await shoot(one, 'admin-backups-no-key');
  const { recipient } = await api.recoveryKey({ client_id: uuidv7() });
  await api.changeServer({ recovery_kept: recipient });
  await go(one);
  await one.page.getByText('The backup is made, read back, and good.').waitFor();
  const [name] = await made();
  await one.page.getByRole('table', { name: 'Kept there' }).getByRole('row').filter({ hasText: name! }).waitFor();
  expect(await figure(one, 'Last good one').innerText()).toBe('just now');
  expect(await figure(one, 'Where').innerText()).toBe(folder);
  expect(await one.page.getByRole('alert').filter({ hasText: /\S/ }).count()).toBe(0);
  await good(one);
  await shoot(one, 'admin-backups');
  await one.page.goto('/admin/health');
  await figure(one, 'Backup').getByText('just now').waitFor();
  await one.page.getByRole('link', { name: 'All about backups' }).click();
  await one.page.getByRole('heading', { name: 'Backups', level: 1 }).waitFor();
  await desk.leave(one);
});

test('where the place is gone it is said, what to do too, and the last good one stays named', async () => {
  await rm(folder, { recursive: true, maxRetries: 20 });
  const one = await desk.at('ada', 'phone', { language: 'zh-CN', scheme: 'dark' });
  await one.page.goto('/admin/backups');
  await go(one);
  await one.page.getByRole('alert').filter({ hasText: '备份未能写入。' }).waitFor();
  expect(await figure(one, '最近一次有效备份').innerText()).not.toBe('尚无');
  await good(one);
  await shoot(one, 'admin-backups-gone');
  await desk.leave(one);
});
