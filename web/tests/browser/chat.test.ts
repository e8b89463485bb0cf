// Two people talking, as they do it: on a phone and on a desktop, with the network going away, and in a long conversation.
// What must not live here: how they came in (first.test.ts).
import { expect, test } from 'vitest';
import { shoot } from '../kit/browser';
import { aStage, both } from '../kit/stage';
import { good, log, write } from '../kit/talkers';

// Of these nobody has said anything to Bob yet.
aStage({ others: ['cyd', 'dee'] });

test('first words to somebody, unread on their list, read by looking, and said so', async () => {
  const one = await both.at('ada', 'phone');
  const other = await both.at('bob', 'desktop', { scheme: 'dark' });
  await one.page.getByRole('button', { name: 'New message' }).click();
  await good(one);
  await shoot(one, 'new-message');
  await one.page.getByRole('dialog').getByRole('button', { name: 'bob' }).click();
  await write(one, 'Are you **there**? <script>alert(1)</script> https://example.org/x');
  const row = other.page.getByRole('link', { name: /ada/ });
  await row.getByText('1 unread message').waitFor();
  await shoot(other, 'unread');
  await good(other);
  await log(one).getByLabel('Sent', { exact: true }).waitFor({ state: 'attached' });
  await row.click();
  await log(other).locator('strong', { hasText: 'there' }).waitFor();
  expect(await log(other).locator('script').count()).toBe(0);
  expect(await log(other).getByRole('link').getAttribute('rel')).toBe('noopener noreferrer');
  await log(one).getByLabel('Read', { exact: true }).waitFor({ state: 'attached' });
  await write(other, 'Here.');
  await log(one).getByText('Here.').waitFor();
  await row.getByText('unread message').waitFor({ state: 'detached' });
  await good(one);
  await good(other);
  await shoot(one, 'direct');
});

test('without a network one goes on writing: it waits, survives a reload, is sent in order, once', async () => {
  const { bob, server } = both;
  const talk = (await both.says(bob, both.others.cyd!, 'Hello')).conversation;
  const one = await both.at('cyd', 'desktop');
  await one.page.getByRole('link', { name: /bob/ }).click();
  await log(one).getByText('Hello').waitFor();
  await server.kill();
  for (const text of ['first', 'second']) await write(one, text);
  await log(one).getByText('Waiting').nth(1).waitFor({ state: 'attached' });
  await one.page.getByRole('status').getByText('You are not connected').waitFor();
  await good(one);
  await shoot(one, 'offline');
  // A page that shows what is in the browser needs the server for its files only, as long as there is no service worker.
  await server.restart();
  one.page.on('dialog', (dialog) => void dialog.accept());
  await one.page.reload();
  await log(one).getByText('Hello').waitFor();
  await write(one, 'third');
  await expect.poll(async () => {
    const reply = await server.api(bob.token).command({ id: 1, type: 'history', conversation: talk });
    return reply.type === 'history' ? reply.events.map((event) => event.kind === 'message' && event.body?.kind === 'text' && event.body.text) : [];
  }, { timeout: 20_000 }).toEqual(['Hello', 'first', 'second', 'third']);
  await expect.poll(() => log(one).getByRole('article').allInnerTexts().then((all) => all.length), { timeout: 20_000 }).toBe(4);
  await expect.poll(() => log(one).getByText('Waiting').count(), { timeout: 20_000 }).toBe(0);
});

test('a draft survives a reload, Enter while composing sends nothing, and two tabs show the same', async () => {
  await both.says(both.bob, both.others.dee!, 'Hello');
  const one = await both.at('dee', 'desktop');
  await one.page.getByRole('link', { name: /bob/ }).click();
  const box = one.page.getByRole('textbox', { name: 'Write to bob' });
  await box.fill('half a thought');
  await one.page.reload();
  await expect.poll(() => box.inputValue()).toBe('half a thought');
  await box.dispatchEvent('keydown', { key: 'Enter', isComposing: true });
  await expect.poll(() => box.inputValue()).toBe('half a thought');
  const tab = { ...one, page: await one.context.newPage() };
  await tab.page.goto(one.page.url());
  await log(tab).getByText('Hello').waitFor();
  await box.press('Enter');
  await log(tab).getByText('half a thought').waitFor();
  await tab.page.getByRole('textbox', { name: 'Write to bob' }).fill('from the second tab');
  await tab.page.getByRole('textbox', { name: 'Write to bob' }).press('Enter');
  await log(one).getByText('from the second tab').waitFor();
  // A tab that tidies up what the server has been told may not have heard yet of what is begun here.
  const bare = await one.context.newPage();
  await bare.goto('/icon.svg');
  const kept = () => bare.evaluate(() => Object.entries(localStorage).flatMap(([key, value]) => (/^kinglet-draft:.*:c/.test(key) ? [String(value)] : [])));
  await expect.poll(kept).toEqual([]);
  await box.fill('begun meanwhile');
  await expect.poll(async () => (await kept()).join('')).toContain('begun meanwhile');
  await bare.evaluate(() => Object.keys(localStorage).forEach((key) => key.startsWith('kinglet-draft:') && localStorage.removeItem(key)));
  await expect.poll(async () => (await kept()).join('')).toContain('begun meanwhile');
  expect(await box.inputValue()).toBe('begun meanwhile');
  await box.press('Enter');
  await log(tab).getByText('begun meanwhile').waitFor();
  await expect.poll(() => tab.page.getByRole('textbox', { name: 'Write to bob' }).inputValue()).toBe('');
});
