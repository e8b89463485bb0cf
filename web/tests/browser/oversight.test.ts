// What an admin sets of the server itself and looks into: its name and address, another person's devices, the audit log asked
// for what one looks for. What must not live here: the rest of administration (admin.test.ts).
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { AuditPage, SignedIn } from '../../src/proto';
import { shoot } from '../kit/browser';
import { Desk, good } from '../kit/desk';

const HOST = 'quay.local';

let desk: Desk;
let ada: SignedIn;
let bob: SignedIn;
beforeAll(async () => {
  desk = await Desk.open({ KINGLET_LISTEN_HOSTS: HOST });
  ada = await desk.server.claim('ada', undefined, 'Harbour');
  bob = await desk.server.join(ada, 'bob');
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await desk.confess();
});
afterAll(() => desk?.close());

test('the team is renamed and the address changed where invitations lead to; who looks for it finds it in the log', async () => {
  const one = await desk.at('ada', 'phone');
  const { page } = one;
  const api = desk.server.api(ada.token);
  const dialog = page.getByRole('dialog');
  const address = `http://${HOST}:${desk.server.port}`;
  const agree = (act: string) => dialog.getByRole('button', { name: act, exact: true }).click();
  await page.goto('/admin/server');
  await page.getByRole('textbox', { name: 'Team name' }).fill('Harbour North');
  await page.getByRole('button', { name: 'Rename' }).click();
  await expect.poll(async () => (await api.server()).team).toBe('Harbour North');
  await good(one);
  await shoot(one, 'admin-server');
  // What cannot be it is refused in words, and nothing has changed.
  const before = (await api.server()).address;
  for (const [wrong, says] of [['ftp://quay.local', /This cannot be the address/], ['https://elsewhere.example', /does not go by the name elsewhere.example/]] as const) {
    await page.getByRole('textbox', { name: 'New address' }).fill(wrong);
    await page.getByRole('button', { name: 'Change the address' }).click();
    await agree('Change the address');
    await dialog.getByRole('alert').getByText(says).waitFor();
    await page.keyboard.press('Escape');
  }
  expect((await api.server()).address).toBe(before);
  await page.getByRole('textbox', { name: 'New address' }).fill(`${address}/`);
  await page.getByRole('button', { name: 'Change the address' }).click();
  await dialog.getByText(/keep it reachable/).waitFor();
  await good(one);
  await shoot(one, 'admin-server-ask');
  await agree('Change the address');
  await page.getByText(`People are told to come to ${address}`).waitFor();
  expect((await api.server()).address).toBe(address);
  // An invitation has it now, and leads back here.
  await page.goto('/');
  await page.getByRole('button', { name: 'Invite' }).click();
  await dialog.getByRole('button', { name: 'Invite' }).click();
  await dialog.locator('.qr path[d^="M"]').waitFor();
  expect(await dialog.getByRole('textbox').inputValue()).toContain(`${address}/join#`);
  await good(one);
  await dialog.getByRole('link', { name: 'Name and address of the server' }).click();
  await page.getByRole('heading', { name: 'Name and address', level: 1 }).waitFor();
  await page.goto('/admin/settings');
  await page.getByRole('link', { name: 'Change it without a restart' }).click();
  await page.getByRole('heading', { name: 'Name and address', level: 1 }).waitFor();
  await page.goto('/admin/audit');
  await page.getByLabel('What', { exact: true }).selectOption('address_changed');
  await page.getByText(`${before} → ${address}`).waitFor();
  await desk.leave(one);
});

test('another person’s devices are seen, one is signed out and says why, and the log is asked for it by kind, by whom, to whom and when', async () => {
  const other = await desk.at('bob', 'phone');
  const one = await desk.at('ada', 'desktop');
  const { page } = one;
  await page.goto(`/admin/people/${bob.user}`);
  const devices = page.getByRole('table', { name: 'Devices' });
  await devices.getByRole('row').filter({ hasText: 'Chrome Linux' }).waitFor();
  expect(await devices.getByRole('row').count()).toBe(3);
  await devices.getByRole('button', { name: 'Sign out: Chrome Linux' }).click();
  await page.getByRole('dialog').getByText(/ends at once/).waitFor();
  await good(one);
  await page.getByRole('dialog').getByRole('button', { name: 'Sign out' }).click();
  await devices.getByRole('row').filter({ hasText: 'Chrome Linux' }).getByText('Signed out').waitFor();
  await other.page.getByText(/This device was signed out: by an admin/).waitFor();
  await other.page.getByRole('heading', { name: 'Sign in', exact: true }).waitFor();
  await good(other);
  await shoot(other, 'signed-out');
  await desk.leave(other, true);
  await desk.server.api(bob.token).call('GET', '/api/v1/profile');
  await good(one);
  await shoot(one, 'admin-devices');

  await page.goto('/admin/audit');
  const rows = page.getByRole('table', { name: 'Audit log' }).getByRole('row');
  const { entries } = await desk.server.api(ada.token).call<AuditPage>('GET', '/api/v1/audit');
  await expect.poll(() => rows.count()).toBe(entries.length + 1);
  const pick = (label: string, option: string | { label: string }) => page.getByLabel(label, { exact: true }).selectOption(option);
  await pick('What', { label: 'Device signed out' });
  await expect.poll(() => rows.count()).toBe(2);
  await rows.filter({ hasText: 'bob' }).filter({ hasText: 'ada' }).waitFor();
  await pick('By whom', { label: 'ada' });
  await pick('To whom', { label: 'bob' });
  await expect.poll(() => rows.count()).toBe(2);
  await good(one);
  await shoot(one, 'admin-audit');
  await pick('By whom', { label: 'the operator' });
  await page.getByText('Nothing fits the filter.').waitFor();
  await pick('By whom', { label: 'ada' });
  await rows.filter({ hasText: 'Device signed out' }).waitFor();
  await page.getByLabel('From', { exact: true }).fill('2199-01-01');
  await page.getByText('Nothing fits the filter.').waitFor();
  await page.getByRole('button', { name: 'Show everything' }).click();
  await expect.poll(() => rows.count()).toBe(entries.length + 1);
  await page.getByLabel('Until', { exact: true }).fill('2001-01-01');
  await page.getByText('Nothing fits the filter.').waitFor();
  await desk.leave(one);
});
