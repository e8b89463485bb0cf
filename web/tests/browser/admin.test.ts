// Administration, as an owner does it: how the server does, people, invitations, groups, reports, the journal, bots, settings.
// What must not live here: what is one's own (admin-mine.test.ts).
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { uuidv7 } from '../../src/engine/ids';
import type { AuditPage, BotList, Reported, SignedIn, UserProfile } from '../../src/proto';
import { type Person, shoot } from '../kit/browser';
import { Desk, good, walk } from '../kit/desk';
import { PASSWORD } from '../kit/kinglet';

let desk: Desk;
let ada: SignedIn;
let bob: SignedIn;
let eve: SignedIn;
let group: string;
beforeAll(async () => {
  desk = await Desk.open();
  ada = await desk.server.claim('ada');
  bob = await desk.server.join(ada, 'bob');
  eve = await desk.server.join(ada, 'eve');
  group = await made(ada, 'Harbour', [bob.user, eve.user]);
  await says(bob, 'The soup is ready.');
  const seq = await says(eve, 'Buy my watches!');
  await desk.server.api(bob.token).call<Reported>('POST', '/api/v1/reports', { client_id: uuidv7(), conversation: group, seq, reason: 'Advertising, again' });
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await desk.confess();
});
afterAll(() => desk?.close());

async function made(by: SignedIn, title: string, members: string[]): Promise<string> {
  const reply = await desk.server.api(by.token).command({ id: 1, type: 'create', client_id: uuidv7(), kind: 'group', title, members, history: true });
  if (reply.type !== 'ack') throw new Error('not acked');
  return reply.conversation;
}

async function says(who: SignedIn, text: string): Promise<number> {
  const reply = await desk.server.api(who.token).command({ id: 1, type: 'send', client_id: uuidv7(), conversation: group, body: { kind: 'text', text } });
  if (reply.type !== 'ack') throw new Error('not acked');
  return reply.seq;
}

const told = (who: SignedIn): Promise<UserProfile> => desk.server.api(ada.token).user(who.user);
const signsIn = (name: string) => desk.server.api().signIn({ name, password: PASSWORD, device: { id: uuidv7(), name: 'x' } });
const agree = async ({ page }: Person, act: string): Promise<void> => {
  await page.getByRole('dialog').getByRole('button', { name: act, exact: true }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
};

test('health first: figures and lines that follow what happens; no backup is said', async () => {
  const one = await desk.at('ada', 'desktop');
  const { page } = one;
  await page.locator('.menu summary').click();
  await page.getByRole('link', { name: 'Administration' }).click();
  await page.getByRole('heading', { name: 'Health', level: 1 }).waitFor();
  const figure = (name: string) => page.locator('.figure').filter({ has: page.locator('dt', { hasText: new RegExp(`^${name}$`) }) }).locator('strong');
  await figure('State').getByText('Ready').waitFor();
  const before = Number((await page.locator('.figure small', { hasText: 'Events in the log' }).innerText()).replace(/\D/g, ''));
  await says(bob, 'One more');
  const events = page.locator('.figure small', { hasText: `Events in the log: ${before + 1}` });
  await events.waitFor();
  await page.getByRole('img', { name: /Messages per second\. Now/ }).waitFor();
  expect(await figure('Backup').innerText()).toBe('Not set up');
  expect(await page.getByRole('table', { name: 'Memory budget by pool' }).getByRole('row').count()).toBeGreaterThan(10);
  await good(one);
  await shoot(one, 'admin-health');
  await desk.leave(one);
});

test('a person: a way back to a password, muted, signed out, locked, made an admin, erased after the name was typed', async () => {
  const one = await desk.at('ada', 'desktop', { scheme: 'dark' });
  const { page } = one;
  await desk.server.join(ada, 'mallory');
  await page.goto('/admin/people');
  await page.getByRole('searchbox', { name: 'Name begins with' }).fill('ev');
  await page.getByRole('link', { name: 'bob' }).waitFor({ state: 'detached' });
  await page.getByRole('link', { name: 'eve' }).click();
  await page.getByRole('heading', { name: 'eve', level: 1 }).waitFor();
  await page.getByRole('button', { name: 'Password reset link' }).click();
  await page.getByRole('button', { name: 'Make a link' }).click();
  await page.locator('.qr path[d^="M"]').waitFor();
  const link = new URL(await page.getByRole('dialog').getByRole('textbox').inputValue());
  expect(await desk.server.api().checkReset({ code: link.hash.slice(1) })).toMatchObject({ name: 'eve' });
  await good(one);
  await shoot(one, 'admin-reset');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Mute', exact: true }).click();
  await page.getByLabel('Reason, told to them').fill('Calm down');
  await page.getByLabel('For how long').selectOption('hour');
  await agree(one, 'Mute');
  await page.getByRole('row').filter({ hasText: 'Calm down' }).getByText('Holds now').waitFor();
  await expect(says(eve, 'no')).rejects.toMatchObject({ code: 'muted' });
  await page.getByRole('button', { name: 'Lift the mute' }).click();
  await page.getByRole('button', { name: 'Mute', exact: true }).waitFor();
  await page.getByRole('button', { name: 'Sign out all their devices' }).click();
  await agree(one, 'Sign out all their devices');
  await expect(desk.server.api(eve.token).user(ada.user)).rejects.toMatchObject({ code: 'signed_out' });
  eve = await signsIn('eve');
  await page.getByRole('button', { name: 'Lock', exact: true }).click();
  await agree(one, 'Lock');
  await page.getByRole('button', { name: 'Unlock' }).waitFor();
  expect((await told(eve)).disabled).toBe(true);
  await good(one);
  await shoot(one, 'admin-person');
  await page.getByRole('button', { name: 'Unlock' }).click();
  await page.getByLabel('Role', { exact: true }).selectOption('admin');
  await page.getByRole('button', { name: 'Change' }).click();
  await agree(one, 'Change');
  await expect.poll(async () => (await told(eve)).role).toBe('admin');
  await page.goto('/admin/people');
  await page.getByRole('link', { name: 'mallory' }).click();
  await page.getByRole('button', { name: 'Erase' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Type mallory to confirm').fill('malory');
  expect(await dialog.getByRole('button', { name: 'Erase for ever' }).getAttribute('aria-disabled')).toBe('true');
  await dialog.getByLabel('Type mallory to confirm').fill('mallory');
  await agree(one, 'Erase for ever');
  await page.getByText(/^Done: \d+ messages erased/).waitFor();
  await good(one);
  await desk.leave(one);
});

test('on a phone: an invitation is made and revoked, a group handed over, somebody who owns one is deactivated', async () => {
  const one = await desk.at('ada', 'phone');
  const { page } = one;
  await page.goto('/admin/invitations');
  await page.getByText('No invitation is open.').waitFor();
  await page.getByRole('button', { name: 'New invitation' }).click();
  await page.getByLabel('Straight into a group').selectOption({ label: 'Harbour' });
  await page.getByLabel('How many may use it').fill('3');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.locator('.qr path[d^="M"]').waitFor();
  await good(one);
  await shoot(one, 'admin-invitation');
  await page.keyboard.press('Escape');
  await page.getByRole('cell', { name: '0 of 3 used' }).waitFor();
  await good(one);
  await shoot(one, 'admin-invitations');
  await page.getByRole('button', { name: /^Revoke/ }).click();
  await agree(one, 'Revoke');
  await page.getByText('No invitation is open.').waitFor();
  const owned = await made(bob, 'Bobs', [ada.user, eve.user]);
  await page.goto('/admin/groups');
  await page.getByRole('button', { name: 'Hand over: Harbour' }).click();
  await page.getByLabel('New owner').selectOption({ label: 'eve' });
  await good(one);
  await agree(one, 'Hand over');
  await page.getByRole('row').filter({ hasText: 'Harbour' }).getByText('Admin').waitFor();
  await page.goto(`/admin/people/${bob.user}`);
  await page.getByRole('button', { name: 'Deactivate' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Deactivate' }).click();
  await page.getByRole('heading', { name: 'Who takes over?' }).waitFor();
  await page.getByLabel('New owner').selectOption({ label: 'ada' });
  await good(one);
  await shoot(one, 'admin-successor');
  await agree(one, 'Deactivate');
  await page.getByRole('button', { name: 'Let them back in' }).waitFor();
  expect((await told(bob)).deactivated).toBe(true);
  await expect.poll(async () => {
    const reply = await desk.server.api(ada.token).command({ id: 1, type: 'conversations' });
    return reply.type === 'conversations' && reply.conversations.find((one) => one.conversation === owned)?.role;
  }).toBe('owner');
  await page.getByRole('button', { name: 'Let them back in' }).click();
  await agree(one, 'Let them back in');
  await page.getByRole('button', { name: 'Deactivate' }).waitFor();
  await desk.leave(one);
});

test('a report is read and resolved, a bot made whose token is shown once, and the journal has all of it', async () => {
  const one = await desk.at('ada', 'desktop');
  const { page } = one;
  await page.goto('/admin/reports');
  await page.getByRole('link', { name: 'Report 1' }).click();
  await page.getByText('Buy my watches!').waitFor();
  await page.getByText('The soup is ready.').waitFor();
  await good(one);
  await shoot(one, 'admin-report');
  await page.getByLabel('What was made of it').fill('Talked to them');
  await page.getByRole('button', { name: 'Resolve' }).click();
  await page.getByText(/Resolved by ada/).waitFor();
  await page.goto('/admin/bots');
  await page.getByText('There is no bot.').waitFor();
  await page.getByRole('button', { name: 'New bot' }).click();
  await page.getByLabel('User name').fill('weather');
  await page.getByLabel('Manage').check();
  await good(one);
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByText('This is shown only once.').waitFor();
  const token = await page.getByRole('dialog').getByRole('textbox').inputValue();
  const { bots } = await desk.server.api(ada.token).call<BotList>('GET', '/api/v1/admin/bots');
  expect(bots.map((bot) => [bot.bot.name, bot.scopes])).toEqual([['weather', ['read', 'write', 'manage']]]);
  await desk.server.api(token).call('GET', '/api/v1/profile');
  await good(one);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Remove: weather' }).click();
  await agree(one, 'Remove');
  await page.getByText('There is no bot.').waitFor();
  await expect(desk.server.api(token).call('GET', '/api/v1/profile')).rejects.toMatchObject({ code: 'signed_out' });
  await page.goto('/admin/audit');
  await page.getByLabel('What', { exact: true }).selectOption('bot_made');
  await expect.poll(() => page.getByRole('row').count()).toBe(2);
  await page.getByRole('row').filter({ hasText: 'Bot made' }).waitFor();
  const { entries } = await desk.server.api(ada.token).call<AuditPage>('GET', '/api/v1/audit');
  await page.getByLabel('What', { exact: true }).selectOption('');
  await expect.poll(() => page.getByRole('row').count()).toBe(entries.length + 1);
  await desk.leave(one);
});

test('who is no admin is told so, and neither the menu nor the pages show more', async () => {
  await desk.server.join(ada, 'dan');
  const one = await desk.at('dan', 'desktop');
  await one.page.locator('.menu summary').click();
  expect(await one.page.getByRole('link', { name: 'Administration' }).count()).toBe(0);
  await one.page.goto('/admin/people');
  await one.page.getByRole('alert').getByText('Your role does not allow this').waitFor();
  await desk.leave(one);
});

test.each<[Person['size'], 'light' | 'dark', 'en' | 'zh-CN']>([
  ['phone', 'dark', 'zh-CN'],
  ['desktop', 'light', 'en'],
])('every page of administration is as it should be: %s, %s, %s', async (size, scheme, language) => {
  const one = await desk.at('ada', size, { scheme, language });
  expect(await walk(one, '/admin', `admin-${language}-${scheme}`)).toHaveLength(11);
  await desk.leave(one);
});
