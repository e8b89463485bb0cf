// What the list says, where one begins to read, what follows to one's other devices, and the ways out. What must not live here:
// what happens when the network goes (talk-cut.test.ts).
import { expect, test } from 'vitest';
import { type Person, shoot } from '../kit/browser';
import { Cable } from '../kit/cable';
import { aStage, both } from '../kit/stage';
import { box, good, log, write } from '../kit/talkers';

aStage();

test('one begins at what is unread, the line stays, and what comes meanwhile waits below', async () => {
  const { ada, bob } = both;
  const lunch = await both.group('Lunch');
  await both.says(bob, lunch, `Soup, <@${ada.user}>?`);
  for (let n = 1; n <= 70; n += 1) await both.says(bob, ada, `line ${n} of a long morning`);
  const one = await both.at('ada', 'desktop');
  const { page } = one;
  const row = page.getByRole('link', { name: /^bob/ });
  await row.getByText('70 unread messages').waitFor();
  await page.getByRole('link', { name: /Lunch/ }).getByText('you are mentioned', { exact: true }).waitFor({ state: 'attached' });
  await shoot(one, 'list-marks');
  await row.click();
  await log(one).getByText('line 1 of a long morning', { exact: true }).waitFor();
  const line = log(one).locator('[data-mark]');
  // It stands in the upper part of what one sees, and what is below is not read yet.
  const place = () =>
    line.evaluate((el) => {
      const sight = el.closest('.scroll')!.getBoundingClientRect();
      return (el.getBoundingClientRect().top - sight.top) / sight.height;
    });
  expect(await place()).toBeGreaterThan(0);
  expect(await place()).toBeLessThan(0.5);
  await expect.poll(() => row.innerText()).toMatch(/[1-6]\d unread/);
  await shoot(one, 'unread-line');
  await good(one);
  await page.getByRole('button', { name: /new messages/ }).click();
  await log(one).getByText('line 70 of a long morning', { exact: true }).waitFor();
  await row.getByText('unread message').waitFor({ state: 'detached' });
  // What lies before may have to come step by step.
  await expect.poll(() => line.count()).toBe(1);
  await page.locator('.talk [role=log][aria-busy=false]').waitFor();
  // Up again, and something comes: one stays where one is.
  await log(one).evaluate((el) => el.scrollTo(0, el.scrollHeight / 2));
  const where = () => log(one).getByText('line 40 of a long morning', { exact: true }).evaluate((el) => el.getBoundingClientRect().top);
  const before = await where();
  await both.says(bob, ada, 'and one more');
  await page.getByRole('button', { name: '1 new message' }).waitFor();
  expect(Math.abs((await where()) - before)).toBeLessThanOrEqual(1);
  await box(one).fill('I have read it all');
  await box(one).press('Enter');
  await log(one).getByText('I have read it all').waitFor();
  await expect.poll(() => log(one).evaluate((el) => el.scrollHeight - el.scrollTop - el.clientHeight)).toBeLessThan(2);
  expect(await line.count()).toBe(0);
});

test('what is pinned, muted and begun follows to the other device; who is here is shown, and what is not there is said', async () => {
  const { ada, bob } = both;
  await both.says(bob, ada, 'Hello');
  const lunch = await both.group('Supper');
  const one = await both.at('ada', 'desktop');
  const cable = await Cable.to(both.shown.url);
  const other = await both.at('ada', 'phone', { scheme: 'dark', language: 'zh-CN', url: cable.url });
  const first = () => one.page.getByRole('navigation').getByRole('listitem').first();
  await one.page.goto(`/c/${lunch}`);
  await one.page.getByRole('link', { name: /^bob/ }).click();
  await one.page.getByLabel('About this conversation').click();
  await shoot(one, 'talk-menu');
  await good(one);
  await one.page.getByRole('button', { name: 'Pin to the top' }).click();
  await both.says(bob, lunch, 'newer');
  await one.page.getByRole('link', { name: /Supper/ }).getByText('newer').waitFor();
  await expect.poll(() => first().innerText()).toContain('bob');
  await one.page.getByLabel('About this conversation').click();
  await one.page.getByRole('button', { name: 'Mute' }).click();
  await first().getByText('Muted').waitFor({ state: 'attached' });
  await box(one).fill('half a thought');
  const there = other.page.getByRole('link', { name: /^bob/ });
  await there.getByText('half a thought').waitFor();
  await there.getByText('已静音').waitFor({ state: 'attached' });
  await expect.poll(() => other.page.getByRole('navigation').getByRole('listitem').first().innerText()).toContain('bob');
  await shoot(other, 'list-draft');
  await good(other);
  await there.click();
  await expect.poll(() => box(other).inputValue()).toBe('half a thought');
  // Both write without hearing of each other: what is under one's hands stays, the other's is offered.
  cable.pull();
  await box(other).fill('from the phone');
  await box(one).fill('from the laptop');
  await expect.poll(async () => JSON.stringify(await both.server.api(ada.token).command({ id: 1, type: 'settings' })), { timeout: 20_000 }).toContain('from the laptop');
  cable.health = 'good';
  await other.page.evaluate(() => dispatchEvent(new Event('online')));
  await other.page.getByText('您在另一台设备上写了').waitFor();
  await expect.poll(() => box(other).inputValue()).toBe('from the phone');
  await expect.poll(() => box(one).inputValue()).toBe('from the phone');
  await shoot(other, 'two-drafts');
  await good(other);
  await other.page.getByRole('button', { name: '使用' }).click();
  await expect.poll(() => box(other).inputValue()).toBe('from the phone\nfrom the laptop');
  await cable.close();
  const theirs = await both.at('bob', 'phone');
  const being = ({ page }: Person) => page.locator('.head .being');
  await being(one).getByText('online', { exact: true }).waitFor();
  await theirs.page.getByRole('link', { name: /^ada/ }).click();
  await being(theirs).getByText('online', { exact: true }).waitFor();
  await both.left(theirs);
  await being(one).getByText(/last here/).waitFor();
  await one.page.goto('/c/c00000000zz');
  await one.page.getByRole('heading', { name: 'This conversation is not here, or not yours' }).waitFor();
  await good(one);
  await shoot(one, 'not-there');
  await one.page.getByRole('button', { name: 'To the conversations' }).click();
  await one.page.getByText('Choose a conversation').waitFor();
});

test('who has read it in a group, and four ways out for what was refused', async () => {
  const { ada, bob } = both;
  const lunch = await both.group('Dinner');
  const one = await both.at('ada', 'phone');
  await one.page.goto(`/c/${lunch}`);
  await write(one, 'Who comes?');
  const mark = log(one).getByRole('button', { name: 'Sent' });
  await mark.click();
  await one.page.getByRole('dialog').getByText('Nobody has read it yet.').waitFor();
  await one.page.getByRole('dialog').getByText('Not yet read by 1').waitFor();
  await one.page.keyboard.press('Escape');
  const reply = await both.server.api(bob.token).command({ id: 1, type: 'mark_read', conversation: lunch, seq: 2 });
  expect(reply.type).toBe('ok');
  await log(one).getByRole('button', { name: 'Read', exact: true }).click();
  await one.page.getByRole('dialog').getByText('Read by 1').waitFor();
  await shoot(one, 'readers');
  await good(one);
  await one.page.keyboard.press('Escape');
  await one.page.getByRole('dialog').waitFor({ state: 'detached' });
  await one.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const long = `${'x'.repeat(33_000)} end`;
  await write(one, long);
  const failed = log(one).getByRole('alert');
  await failed.getByText('Not sent').waitFor();
  await shoot(one, 'ways-out');
  await good(one);
  await failed.getByRole('button', { name: 'Copy' }).click();
  await failed.getByRole('button', { name: 'Copied' }).waitFor();
  expect((await one.page.evaluate(() => navigator.clipboard.readText())).length).toBe(long.length);
  await failed.getByRole('button', { name: 'Try again' }).click();
  await failed.getByText('Not sent').waitFor();
  await failed.getByRole('button', { name: 'Edit' }).click();
  await failed.waitFor({ state: 'detached' });
  expect((await box(one).inputValue()).endsWith(' end')).toBe(true);
  await write(one, 'shorter');
  await log(one).getByText('shorter').waitFor();
  await write(one, long);
  await log(one).getByRole('alert').getByRole('button', { name: 'Delete' }).click();
  await log(one).getByRole('alert').waitFor({ state: 'detached' });
  await expect.poll(() => both.texts(ada, lunch)).toEqual(['Who comes?', 'shorter']);
});
