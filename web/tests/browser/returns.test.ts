// Somebody comes back with something to say, into a conversation that has just begun. What must not live here: what happens when the
// network goes (talk-cut.test.ts).
import { expect, test } from 'vitest';
import { aStage, both } from '../kit/stage';
import { good, log, row, write } from '../kit/talkers';

aStage({ others: ['cyd'] });

test('who is there is shown in the first moment, and what they answered to is read', async () => {
  const { ada, bob } = both;
  await both.at('bob', 'phone');
  const one = await both.at('ada', 'desktop', { path: `/c/${bob.user}` });
  await write(one, 'Are you back?');
  await log(one).getByText('Are you back?').waitFor();
  await one.page.locator('.head .being').getByText('online', { exact: true }).waitFor();
  // Bob looks at nothing: the words were in his outbox when he came back, and the server takes them for a sign that he has read.
  const words = row(one, 'Are you back?');
  await words.getByLabel('Sent', { exact: true }).waitFor({ state: 'attached' });
  await both.says(bob, ada, 'I am, and had written this on the way');
  await words.getByLabel('Read', { exact: true }).waitFor({ state: 'attached' });
  await good(one);
});

test('in a group, too: of the first who does not show what they read nothing, of the next that they have', async () => {
  const { bob } = both;
  const cyd = both.others.cyd!;
  const lunch = await both.group('Lunch', [cyd]);
  const unseen = await both.server.api(bob.token).command({ id: 1, type: 'set', key: 'reads_unseen', value: true });
  expect(unseen.type).toBe('set');
  const one = await both.at('ada', 'phone', { path: `/c/${lunch}` });
  await write(one, 'Who comes?');
  const words = row(one, 'Who comes?');
  await both.says(bob, lunch, 'Not me');
  await log(one).getByText('Not me').waitFor();
  expect(await words.locator('.state').getAttribute('title')).toBeTruthy();
  await words.getByLabel('Sent', { exact: true }).waitFor({ state: 'attached' });
  await both.says(cyd, lunch, 'I do');
  await words.getByLabel('Read', { exact: true }).waitFor({ state: 'attached' });
});
