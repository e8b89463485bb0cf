// What is one's own, as people change it: who they are, where they are signed in, what they are told of, and how they go.
// What must not live here: administration (admin.test.ts).
import zlib from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { uuidv7 } from '../../src/engine/ids';
import type { DeviceList, SignedIn, UserProfile } from '../../src/proto';
import { type Person, shoot } from '../kit/browser';
import { Desk, good, walk } from '../kit/desk';
import { PASSWORD } from '../kit/kinglet';

let desk: Desk;
let ada: SignedIn;
let bob: SignedIn;
beforeAll(async () => {
  desk = await Desk.open();
  ada = await desk.server.claim('ada');
  bob = await desk.server.join(ada, 'bob');
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await desk.confess();
});
afterAll(() => desk?.close());

/** A picture of two halves, red and blue, wider than high. */
function picture(): Buffer {
  const [width, height] = [96, 64];
  const row = (): Buffer => Buffer.concat([Buffer.from([0]), ...Array.from({ length: width }, (_, x) => Buffer.from(x < width / 2 ? [200, 30, 30] : [30, 30, 200]))]);
  const chunk = (kind: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(kind, 'latin1'), data]);
    const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    size.writeUInt32BE(data.length);
    sum.writeUInt32BE(zlib.crc32(body));
    return Buffer.concat([size, body, sum]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const rows = zlib.deflateSync(Buffer.concat(Array.from({ length: height }, row)));
  return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]), chunk('IHDR', head), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))]);
}

const told = async (who: SignedIn): Promise<UserProfile> => desk.server.api(bob.token).user(who.user);
const settings = async (who: SignedIn) => {
  const reply = await desk.server.api(who.token).command({ id: 1, type: 'settings' });
  return reply.type === 'settings' ? reply.settings : [];
};

test('by keyboard from the menu to one’s profile; name, status and picture are what others see', async () => {
  const one = await desk.at('ada', 'desktop');
  const { page } = one;
  await page.locator('.menu summary').focus();
  await page.keyboard.press('Enter');
  await page.getByRole('link', { name: 'My settings' }).waitFor();
  await good(one);
  await shoot(one, 'admin-menu');
  await page.getByRole('button', { name: 'Keyboard shortcuts' }).click();
  await page.getByRole('dialog').getByText('Ctrl').first().waitFor();
  await page.keyboard.press('Escape');
  await page.locator('.menu summary').focus();
  await page.keyboard.press('Enter');
  await page.getByRole('link', { name: 'My settings' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Profile', level: 1 }).waitFor();
  await page.getByRole('textbox', { name: 'Display name' }).fill('Ada L.');
  await page.getByRole('button', { name: 'Save' }).first().click();
  await page.getByText('Saved.').waitFor();
  await page.getByLabel('What are you up to?').fill('At the harbour');
  await page.getByLabel('Clear it after').selectOption('hour');
  await page.getByRole('button', { name: 'Save' }).last().click();
  await expect.poll(async () => (await told(ada)).status?.text).toBe('At the harbour');
  expect((await told(ada)).status?.until).toBeGreaterThan(Date.now());
  expect((await told(ada)).display_name).toBe('Ada L.');
  await page.locator('input[type=file]').setInputFiles({ name: 'me.png', mimeType: 'image/png', buffer: picture() });
  await page.getByRole('dialog').getByRole('slider').waitFor();
  // All the way to the right: the blue half.
  await page.getByRole('dialog').locator('canvas').focus();
  for (let n = 0; n < 20; n += 1) await page.keyboard.press('ArrowLeft');
  await good(one);
  await shoot(one, 'admin-crop');
  await page.getByRole('button', { name: 'Use this' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  const shown = page.locator('.portrait img.avatar');
  await shown.waitFor();
  const pixel = await shown.evaluate(async (image: HTMLImageElement) => {
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = 10;
    canvas.height = 10;
    const brush = canvas.getContext('2d')!;
    brush.drawImage(image, 0, 0, 10, 10);
    return [...brush.getImageData(4, 5, 1, 1).data];
  });
  expect(pixel[2]!).toBeGreaterThan(150);
  expect(pixel[0]!).toBeLessThan(90);
  expect((await told(ada)).avatar).toBeTruthy();
  await good(one);
  await desk.leave(one);
});

test('where one is signed in: another device is seen, named, let in by a code, signed out', async () => {
  const one = await desk.at('bob', 'desktop', { scheme: 'dark' });
  const { page } = one;
  const other = await desk.server.api().signIn({ name: 'bob', password: PASSWORD, device: { id: uuidv7(), name: 'old tablet' } });
  await page.goto('/me/devices');
  const row = page.getByRole('row').filter({ hasText: 'old tablet' });
  await row.getByRole('button', { name: 'Sign out' }).click();
  await good(one);
  await page.getByRole('dialog').getByRole('button', { name: 'Sign out' }).click();
  await row.waitFor({ state: 'detached' });
  await expect(desk.server.api(other.token).call<DeviceList>('GET', '/api/v1/devices')).rejects.toMatchObject({ code: 'signed_out' });
  await page.getByRole('button', { name: 'Add a device' }).click();
  await page.getByRole('img', { name: /QR code/ }).waitFor();
  await page.locator('.qr path[d^="M"]').waitFor();
  await good(one);
  await shoot(one, 'admin-pair');
  const code = await page.locator('.secret strong').innerText();
  const asked = await desk.server.api().call<{ ticket: string; number: string }>('POST', '/api/v1/pair', { code, device: { id: uuidv7(), name: 'new phone' } });
  await page.getByText(asked.number, { exact: true }).waitFor();
  await good(one);
  await page.getByRole('button', { name: 'Yes, let it in' }).click();
  const paired = await desk.server.api().call<{ signed_in?: SignedIn }>('POST', '/api/v1/pair/wait', { ticket: asked.ticket, wait: 20 });
  expect(paired.signed_in?.name).toBe('bob');
  await page.getByText('It is signed in.').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('row').filter({ hasText: 'new phone' }).waitFor();
  await page.getByRole('button', { name: 'Sign out all others' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Sign out all others' }).click();
  await page.getByText(/sessions? ended/).waitFor();
  // Those of the tests were among them.
  bob = await desk.server.api().signIn({ name: 'bob', password: PASSWORD, device: { id: uuidv7(), name: 'test' } });
  await good(one);
  await desk.leave(one);
});

test('what one is told of, who sees one, a new password, the theme: all of it holds', async () => {
  const one = await desk.at('bob', 'phone');
  const { page } = one;
  await page.goto('/me/notifications');
  await page.getByLabel('Only what mentions you').check();
  await page.getByText('Saved.').waitFor();
  await page.getByRole('switch', { name: 'Keep quiet hours' }).check();
  await page.getByLabel('Sun').uncheck();
  await page.getByLabel('From').fill('21:30');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect.poll(async () => (await settings(bob)).find((one) => one.key === 'quiet')).toMatchObject({
    value: { hours: [{ days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat'], from: 1_290, to: 420 }] },
  });
  expect((await settings(bob)).find((one) => one.key === 'notify')).toMatchObject({ value: { level: 'mentions' } });
  await good(one);
  await page.goto('/me/privacy');
  await page.getByRole('switch', { name: /Do not show when/ }).check();
  await page.getByLabel('Whom?').selectOption({ label: 'Ada L.' });
  await page.getByRole('button', { name: 'Block', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Block' }).click();
  await page.getByRole('button', { name: 'Lift the block' }).waitFor();
  const keys = (await settings(bob)).map((one) => one.key);
  expect(keys).toEqual(expect.arrayContaining(['unseen', 'blocked']));
  await page.getByRole('button', { name: 'Lift the block' }).click();
  await page.getByText('You have blocked nobody.').waitFor();
  await page.goto('/me/security');
  await page.getByLabel('Current password').fill('not this one');
  await page.getByLabel('New password').fill('eight quiet herons');
  await page.getByRole('button', { name: 'Change the password' }).click();
  await page.getByRole('alert').getByText('wrong').waitFor();
  await page.getByLabel('Current password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Change the password' }).click();
  await page.getByText('The password is changed.').waitFor();
  await expect(desk.server.api().signIn({ name: 'bob', password: PASSWORD, device: { id: uuidv7(), name: 'x' } })).rejects.toMatchObject({ code: 'wrong_credentials' });
  await desk.server.api(ada.token).call('POST', `/api/v1/users/${bob.user}/warn`, { client_id: uuidv7(), reason: 'Not so loud' });
  await page.goto('/me/news');
  await page.getByText('You were warned: Not so loud').waitFor();
  await page.getByText('By Ada L.').waitFor();
  await page.goto('/me/appearance');
  await page.getByLabel('Dark').check();
  await page.getByLabel('Larger').check();
  await page.reload();
  await page.getByRole('heading', { name: 'Appearance and language' }).waitFor();
  expect(await page.evaluate(() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.documentElement).fontSize])).toEqual(['rgb(20, 23, 22)', '20px']);
  await good(one);
  await desk.leave(one, true);
});

test('one’s data comes as an archive, and an account that is deleted is gone', async () => {
  await desk.server.join(ada, 'cleo');
  const one = await desk.at('cleo', 'desktop');
  const { page } = one;
  await page.goto('/me/data');
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Make the archive' }).click()]);
  const bytes = await (await file.createReadStream()).toArray().then((parts) => Buffer.concat(parts as Buffer[]));
  expect(bytes.includes('kinglet-export') && bytes.includes('complete.json')).toBe(true);
  expect(file.suggestedFilename()).toMatch(/^kinglet-cleo-.*\.tar$/);
  await page.getByText(/^Done: /).waitFor();
  await page.getByRole('button', { name: 'Delete my account' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Your password').fill(PASSWORD);
  await good(one);
  await shoot(one, 'admin-erase-me');
  // Nothing happens without the name.
  await dialog.getByLabel('Your password').press('Enter');
  expect(await dialog.getByRole('button', { name: 'Delete for ever' }).getAttribute('aria-disabled')).toBe('true');
  await dialog.getByLabel('Type cleo to confirm').fill('cleo');
  await dialog.getByRole('button', { name: 'Delete for ever' }).click();
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
  await expect(desk.server.api().signIn({ name: 'cleo', password: PASSWORD, device: { id: uuidv7(), name: 'x' } })).rejects.toMatchObject({ code: 'wrong_credentials' });
  await desk.leave(one, true);
});

test.each<[Person['size'], 'light' | 'dark', 'en' | 'zh-CN']>([
  ['phone', 'dark', 'zh-CN'],
  ['desktop', 'light', 'en'],
])('every page of one’s own is as it should be: %s, %s, %s', async (size, scheme, language) => {
  const one = await desk.at('ada', size, { scheme, language });
  expect(await walk(one, '/me', `admin-me-${language}-${scheme}`)).toHaveLength(9);
  await desk.leave(one);
});
