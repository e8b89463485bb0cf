// Three people finding each other and what was said, talking beside the conversation, and looking after their group. What must
// not live here: what they do with single messages (together.test.ts).
import { beforeAll, expect, test } from 'vitest';
import type { SignedIn } from '../../src/proto';
import { type Person, shoot } from '../kit/browser';
import { ada, aStage, bob, both } from '../kit/stage';
import { box, good, row } from '../kit/talkers';

aStage({ others: ['cyd'] });
let cyd: SignedIn;
beforeAll(() => {
  cyd = both.others.cyd!;
});

const at = (name: string, size: 'phone' | 'desktop', path: string, more = {}) => both.at(name, size, { path, ...more });
const side = ({ page }: Person) => page.locator('.side');
const inSight = (one: Person, text: string) => row(one, text).evaluate((el) => {
  const { top, bottom } = el.getBoundingClientRect();
  return top > 0 && bottom < innerHeight;
});

test('mentions and emoji by name, an input method left alone; search and links lead to a message in its context', async () => {
  const talk = await both.group('Kitchen');
  for (let n = 1; n <= 40; n += 1) await both.says(bob, talk, `line ${n}`);
  const duck = await both.says(bob, talk, '周五吃北京烤鸭，好吗？');
  for (let n = 41; n <= 130; n += 1) await both.says(bob, talk, `line ${n}`);
  await both.says(ada, talk, 'All read');
  const one = await at('ada', 'desktop', `/c/${talk}`);
  const other = await at('bob', 'phone', '', { language: 'zh-CN' });
  await row(one, 'All read').waitFor();
  // By keys alone: a person, an emoji, and words of an input method whose Enter is its own.
  await box(one).pressSequentially('@bo');
  await one.page.getByRole('option', { name: 'bob' }).waitFor();
  await shoot(one, 'mention');
  await good(one);
  await box(one).press('Enter');
  await expect.poll(() => box(one).inputValue()).toBe('@bob ');
  await box(one).pressSequentially(':tad');
  await one.page.getByRole('option', { name: ':tada:' }).waitFor();
  await box(one).press('Tab');
  await expect.poll(() => box(one).inputValue()).toBe('@bob 🎉');
  await box(one).dispatchEvent('compositionstart');
  await box(one).dispatchEvent('keydown', { key: 'Enter', isComposing: true });
  await box(one).dispatchEvent('keydown', { key: 'Process', keyCode: 229 });
  await box(one).dispatchEvent('keydown', { key: 'Enter', keyCode: 229 });
  await box(one).dispatchEvent('compositionend');
  await expect.poll(() => box(one).inputValue()).toBe('@bob 🎉');
  await one.page.getByRole('button', { name: 'Emoji' }).click();
  await one.page.getByLabel('Search emoji').getByRole('textbox').fill('鸭');
  await one.page.locator('.emojis button', { hasText: '🦆' }).waitFor();
  await shoot(one, 'emoji');
  await good(one);
  await one.page.locator('.emojis button', { hasText: '🦆' }).click();
  await one.page.keyboard.press('Enter');
  await row(one, '@bob 🎉🦆').waitFor();
  await other.page.locator('.row', { hasText: '提到您' }).waitFor();
  // Words in Chinese, in this conversation, far before what is held.
  await one.page.keyboard.press('Control+f');
  const dialog = one.page.getByRole('dialog');
  // Before anything is asked for it says what can be found, and what is at hand.
  await dialog.getByText('What was said in “Kitchen”').waitFor();
  await good(one);
  await shoot(one, 'search-empty');
  expect(await dialog.locator('.ways button').allInnerTexts()).toEqual(['Pinned messages', 'Threads']);
  await dialog.getByRole('textbox').fill('烤鸭');
  await dialog.locator('mark', { hasText: '烤鸭' }).waitFor();
  await shoot(one, 'search');
  await good(one);
  await one.page.keyboard.press('ArrowDown');
  await one.page.keyboard.press('Enter');
  await row(one, '北京烤鸭').waitFor();
  await expect.poll(() => inSight(one, '北京烤鸭')).toBe(true);
  expect(await row(one, '北京烤鸭').evaluate((el) => el === document.activeElement)).toBe(true);
  expect(await row(one, 'line 40').count()).toBe(1);
  await row(one, 'line 41').waitFor();
  // The same by its link, on a phone that has never seen it.
  await other.page.goto(`/c/${talk}/${duck.seq}`);
  await row(other, '北京烤鸭').waitFor();
  await expect.poll(() => inSight(other, '北京烤鸭')).toBe(true);
  await good(other);
  await shoot(other, 'linked');
  // Quickly to somebody, and what the keys are.
  await one.page.keyboard.press('Control+k');
  await dialog.getByRole('textbox').fill('cy');
  await dialog.getByRole('button', { name: 'cyd' }).waitFor();
  await one.page.keyboard.press('Enter');
  await one.page.getByRole('heading', { name: 'cyd' }).waitFor();
  await one.page.keyboard.press('Escape');
  await one.page.locator('.row').first().focus();
  await one.page.keyboard.press('?');
  await dialog.getByText('From message to message').waitFor();
  await shoot(one, 'keys');
  await good(one);
});

test('a thread beside the conversation, on a phone in its place; pins; and a group looked after', async () => {
  const talk = await both.group('Garden', [], { join: 'approval' });
  const seeds = await both.says(bob, talk, 'Who buys the seeds?');
  const one = await at('ada', 'desktop', `/c/${talk}`);
  const other = await at('bob', 'phone', `/c/${talk}`, { scheme: 'dark' });
  // A thread.
  await row(one, 'Who buys').click({ button: 'right' });
  await one.page.getByRole('menuitem', { name: 'Reply in a thread' }).click();
  const writeIn = (who: Person) => side(who).getByRole('textbox', { name: 'Reply in the thread' });
  // Who wants to answer writes at once.
  await writeIn(one).waitFor();
  expect(await writeIn(one).evaluate((el) => el === document.activeElement)).toBe(true);
  await writeIn(one).fill('I do');
  await writeIn(one).press('Enter');
  await side(one).locator('.said', { hasText: 'I do' }).waitFor();
  await row(other, 'Who buys').getByRole('button', { name: '1 reply' }).click();
  await side(other).locator('.said', { hasText: 'I do' }).waitFor();
  expect(await row(one, 'I do').count()).toBe(0);
  await writeIn(other).fill('Tomatoes, please');
  await side(other).getByLabel('Also show in the conversation').check();
  await good(other);
  await shoot(other, 'thread');
  await side(other).getByRole('button', { name: 'Send' }).click();
  await side(one).locator('.said', { hasText: 'Tomatoes' }).waitFor();
  await row(one, 'Tomatoes').waitFor();
  await row(one, 'Who buys').getByRole('button', { name: '2 replies' }).waitFor();
  await good(one);
  await shoot(one, 'thread');
  await both.says(bob, talk, 'And basil', { thread: seeds.seq });
  await side(one).locator('.said', { hasText: 'And basil' }).waitFor();
  await side(one).getByRole('button', { name: 'Close' }).click();
  await side(one).waitFor({ state: 'detached' });
  await both.says(bob, talk, 'And thyme', { thread: seeds.seq });
  await one.page.getByRole('button', { name: 'Threads' }).click();
  await side(one).getByText('1 new reply').waitFor();
  await good(one);
  await side(other).getByRole('button', { name: 'Close' }).click();
  // Pins.
  await row(one, 'Who buys').click({ button: 'right' });
  await one.page.getByRole('menuitem', { name: 'Pin', exact: true }).click();
  await other.page.getByRole('button', { name: 'Details' }).click();
  await side(other).getByRole('button', { name: 'Pinned messages (1)' }).click();
  await side(other).getByText('Pinned by ada').waitFor();
  await good(other);
  await side(other).locator('.hit').click();
  await other.page.locator('.message.found').waitFor();
  // What the owner sets, and what the others see of it.
  await one.page.getByRole('button', { name: 'Details' }).click();
  const put = async (label: string, text: string, button: string) => {
    const field = one.page.getByRole('textbox', { name: label, exact: true });
    const form = side(one).locator('.line-form', { has: field });
    await field.fill(text);
    await form.getByRole('button', { name: button }).click();
  };
  await put('Announcement', 'Closed on Friday', 'Put up');
  await put('Your name here', 'Gardener', 'Save');
  await put('Name', 'Roof garden', 'Rename');
  await other.page.getByRole('heading', { name: 'Roof garden' }).waitFor();
  await row(other, 'Who buys').waitFor();
  await other.page.locator('.over').getByText('Closed on Friday').waitFor();
  await other.page.locator('.over').getByText('Who buys the seeds?').waitFor();
  await both.command(cyd, { type: 'join', conversation: talk });
  await side(one).getByRole('button', { name: 'Let in' }).click();
  await side(one).locator('.members .member', { hasText: 'cyd' }).waitFor();
  await side(one).locator('.members .member', { hasText: 'Gardener (you)' }).waitFor();
  await side(one).getByRole('button', { name: 'Actions for bob' }).click();
  await side(one).getByRole('button', { name: 'Make admin' }).click();
  await side(one).locator('.members .member', { hasText: 'Admin' }).waitFor();
  await side(one).getByLabel('Notifications').selectOption('mentions');
  await side(one).getByRole('button', { name: 'Make a link' }).click();
  await side(one).getByText('Good for 20 people').waitFor();
  await good(one);
  await shoot(one, 'details');
  await other.page.getByRole('button', { name: 'Details' }).click();
  await side(other).locator('.members').waitFor();
  await good(other);
  await shoot(other, 'details');
  other.page.on('dialog', (ask) => void ask.accept());
  await side(other).getByRole('button', { name: 'Leave' }).click();
  await side(one).locator('.members .member', { hasText: 'bob' }).waitFor({ state: 'detached' });
});
