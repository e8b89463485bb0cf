// Two and three people working together: what they do with messages, on a desktop by keys and pointer, on a phone by fingers.
// What must not live here: how they came in (first.test.ts), and plain talking (chat.test.ts).
import { beforeAll, expect, test } from 'vitest';
import type { SignedIn } from '../../src/proto';
import { type Person, shoot } from '../kit/browser';
import { ada, aStage, bob, both } from '../kit/stage';
import { box, good, log, row, write } from '../kit/talkers';

aStage({ others: ['cyd'] });
let cyd: SignedIn;
beforeAll(() => {
  cyd = both.others.cyd!;
});

const group = (title: string) => both.group(title, [cyd]);
const at = (name: string, size: 'phone' | 'desktop', talk: string, more = {}) => both.at(name, size, { path: `/c/${talk}`, ...more });
const menu = ({ page }: Person) => page.getByRole('menu');
async function menuOf(one: Person, text: string): Promise<void> {
  await row(one, text).click({ button: 'right' });
  await menu(one).waitFor();
}
const pick = (one: Person, item: string) => menu(one).getByRole('menuitem', { name: item, exact: true }).click();

test('replies, reactions, changes and taking back, by pointer and keys; the other one sees each', async () => {
  const team = await group('Harbour');
  await both.says(bob, team, 'Shall we meet at noon?');
  await both.says(bob, team, 'Or at one.');
  const one = await at('ada', 'desktop', team);
  const other = await at('bob', 'desktop', team, { scheme: 'dark' });
  await row(one, 'Shall we meet').hover();
  await one.page.locator('.bar').getByRole('button', { name: 'Reply', exact: true }).click();
  await one.page.getByText('Replying to bob').waitFor();
  await write(one, 'Noon is fine');
  await row(other, 'Noon is fine').locator('.quote').getByText('Shall we meet at noon?').waitFor();
  // A reaction, once by the menu, and taken back by a press on it.
  await menuOf(other, 'Noon is fine');
  await good(other);
  await shoot(other, 'message-menu');
  await menu(other).getByRole('menuitem', { name: 'React with 👍' }).click();
  const thumb = row(one, 'Noon is fine').getByRole('button', { name: '👍 1 : bob' });
  await thumb.click();
  await row(other, 'Noon is fine').getByRole('button', { name: '👍 2 : bob, ada' }).waitFor();
  await row(other, 'Noon is fine').locator('.reactions button').click();
  await row(one, 'Noon is fine').getByRole('button', { name: '👍 1 : ada' }).waitFor();
  // The arrow up changes the last of one's own; Escape leaves it as it was, and what one had begun is there again.
  await box(one).press('ArrowUp');
  await one.page.getByText('Editing your message').waitFor();
  await expect.poll(() => box(one).inputValue()).toBe('Noon is fine');
  await box(one).press('Escape');
  await expect.poll(() => box(one).inputValue()).toBe('');
  await box(one).press('ArrowUp');
  await expect.poll(() => box(one).inputValue()).toBe('Noon is fine');
  await box(one).fill('Half past is fine');
  await box(one).press('Enter');
  await row(other, 'Half past is fine').getByRole('button', { name: 'edited' }).click();
  await other.page.getByRole('dialog').getByText('Noon is fine').waitFor();
  await good(other);
  await other.page.keyboard.press('Escape');
  // Keys alone: up to the message of bob, its menu, and an answer.
  await one.page.keyboard.press('Shift+Tab');
  await log(one).focus();
  for (const key of ['ArrowUp', 'ArrowUp', 'ArrowUp', 'Enter']) await one.page.keyboard.press(key);
  await menu(one).waitFor();
  await one.page.keyboard.press('Escape');
  expect(await row(one, 'Shall we meet').evaluate((el) => el === document.activeElement)).toBe(true);
  await one.page.keyboard.press('r');
  await one.page.getByText('Replying to bob').waitFor();
  await box(one).press('Escape');
  // Taken back, undone, taken back for good.
  await write(one, 'Wrong words');
  await row(other, 'Wrong words').waitFor();
  await menuOf(one, 'Wrong words');
  await pick(one, 'Delete for everyone');
  await log(one).getByRole('button', { name: 'Undo' }).click();
  await row(one, 'Wrong words').waitFor();
  await menuOf(one, 'Wrong words');
  await pick(one, 'Delete for everyone');
  await row(other, 'Wrong words').waitFor({ state: 'detached' });
  await log(one).getByRole('button', { name: 'Undo' }).waitFor({ state: 'detached' });
  // Only for oneself.
  await menuOf(one, 'Or at one.');
  await pick(one, 'Delete for me');
  await row(one, 'Or at one.').waitFor({ state: 'detached' });
  expect(await row(other, 'Or at one.').count()).toBe(1);
  await row(other, 'Half past is fine').locator('.quote').click();
  await other.page.locator('.message.found').waitFor();
  await good(one);
  await shoot(one, 'answers');
  // From where one writes to the messages, as the sheet of keys says.
  await box(one).press('Shift+Tab');
  expect(await log(one).locator('.message[data-seq]').last().evaluate((el) => el === document.activeElement)).toBe(true);
  // Who deletes something and goes at once has deleted it, and no page of theirs has to come back.
  await write(one, 'Better unsaid');
  await row(other, 'Better unsaid').waitFor();
  await menuOf(one, 'Better unsaid');
  await pick(one, 'Delete for everyone');
  await log(one).getByRole('button', { name: 'Undo' }).waitFor();
  await one.page.goto('about:blank');
  await row(other, 'Better unsaid').waitFor({ state: 'detached' });
});

/** A finger by the debugger's door: held still, or drawn. */
async function finger(one: Person, text: string, path: [number, number][], until?: () => Promise<unknown>): Promise<void> {
  const { x, y } = (await row(one, text).locator('.said').boundingBox())!;
  const session = await one.context.newCDPSession(one.page);
  const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', [dx, dy]: [number, number] = [0, 0]) =>
    session.send('Input.dispatchTouchEvent', { type, touchPoints: type === 'touchEnd' ? [] : [{ x: x + 8 + dx, y: y + 8 + dy }] });
  await touch('touchStart');
  for (const step of path) await touch('touchMove', step);
  await until?.();
  await touch('touchEnd');
  await session.detach();
}

test('on a phone: a long press opens the menu, a swipe replies, selected messages are copied and forwarded; offline it waits', async () => {
  const talk = await group('Quay');
  await both.says(bob, talk, 'Bring the **soup**');
  await both.says(ada, talk, `<@${bob.user}> I will`);
  const one = await at('ada', 'phone', talk);
  const other = await at('bob', 'desktop', talk);
  await finger(one, 'Bring the soup', [], () => menu(one).waitFor());
  await good(one);
  await shoot(one, 'message-menu');
  await pick(one, 'Save for later');
  await row(one, 'Bring the soup').getByLabel('Saved', { exact: true }).waitFor({ state: 'attached' });
  await finger(one, 'Bring the soup', [[20, 0], [50, 0], [90, 1]]);
  await one.page.getByText('Replying to bob').waitFor();
  await shoot(one, 'replying');
  // Where the soft keyboard lies over the page, the page ends above it.
  const covered = 380;
  await one.page.evaluate((height) => {
    Object.defineProperty(visualViewport, 'height', { get: () => height, configurable: true });
    visualViewport!.dispatchEvent(new Event('resize'));
  }, covered);
  await expect.poll(async () => { const at = await box(one).boundingBox(); return at!.y + at!.height; }).toBeLessThan(covered);
  await one.page.evaluate(() => {
    delete (visualViewport as unknown as { height?: number }).height;
    visualViewport!.dispatchEvent(new Event('resize'));
  });
  await box(one).fill('With bread');
  await one.page.getByRole('button', { name: 'Send' }).click();
  await row(other, 'With bread').locator('.quote').waitFor();
  // Several at once, as text with who said it and when.
  await one.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await finger(one, 'Bring the soup', [], () => menu(one).waitFor());
  await pick(one, 'Select');
  await row(one, '@bob I will').locator('.said').tap();
  await one.page.getByText('2 messages selected').first().waitFor();
  await good(one);
  await shoot(one, 'selecting');
  await one.page.getByRole('toolbar').getByRole('button', { name: 'Copy' }).click();
  await one.page.getByText('Copied').waitFor();
  const copied = await one.page.evaluate(() => navigator.clipboard.readText());
  expect(copied).toMatch(/^bob, \d{1,2}:\d\d [AP]M: Bring the \*\*soup\*\*\nada, \d{1,2}:\d\d [AP]M: @bob I will$/);
  await finger(one, 'Bring the soup', [], () => menu(one).waitFor());
  await pick(one, 'Forward…');
  const dialog = one.page.getByRole('dialog', { name: 'Forward to' });
  await dialog.getByLabel('Name').fill('bo');
  await good(one);
  await shoot(one, 'forward');
  await dialog.getByRole('button', { name: 'bob' }).click();
  await other.page.getByRole('link', { name: /ada/ }).getByText('Bring the soup').waitFor();
  // Somebody is told of what is wrong.
  await finger(one, 'Bring the soup', [], () => menu(one).waitFor());
  await pick(one, 'Report…');
  await one.page.getByLabel('What is wrong with it?').fill('Too much soup');
  await good(one);
  await one.page.getByRole('button', { name: 'Report', exact: true }).click();
  await one.page.getByText('Somebody will look at it').waitFor();
  // Without a network it holds here at once and is honest about it.
  await both.server.kill();
  await finger(one, 'Bring the soup', [], () => menu(one).waitFor());
  await menu(one).getByRole('menuitem', { name: 'React with 🎉' }).tap();
  await row(one, 'Bring the soup').getByRole('button', { name: '🎉 1 : ada' }).waitFor();
  await row(one, 'Bring the soup').getByText('Waiting').waitFor({ state: 'attached' });
  await both.server.restart();
  await row(other, 'Bring the soup').getByRole('button', { name: '🎉 1 : ada' }).waitFor();
  await row(one, 'Bring the soup').getByText('Waiting').first().waitFor({ state: 'detached' });
});
