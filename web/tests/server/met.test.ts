// Who is there in a conversation that has just begun, and how far they have read who say something themselves: against the real
// server. What must not live here: who comes and goes in the conversations that there are (talk.test.ts).
import { expect, test } from 'vitest';
import { ada, aPairEach, bob, says, server, tab } from '../kit/pair';

aPairEach();

test('in a conversation that begins while both are there, each is shown as there', async () => {
  const one = await tab(server, {}, ada);
  const other = await tab(server, {}, bob);
  for (const each of [one, other]) await each.until(() => each.engine.settled, 'it has caught up');
  const online = (of: typeof one) => of.changes.findLast((changed) => changed.online)?.online;
  // They share nothing yet, so neither is told of the other.
  expect([online(one) ?? [], online(other) ?? []]).toEqual([[], []]);
  await one.engine.post({ user: bob.user }, { type: 'send', body: { kind: 'text', text: 'Hello' } });
  await one.until(() => online(one)?.includes(bob.user) ?? false, 'ada sees that bob is here');
  await other.until(() => online(other)?.includes(ada.user) ?? false, 'bob sees that ada is here');
  other.engine.close();
  await one.until(() => online(one)?.length === 0, 'bob has gone');
});

test('whoever says something has read what was said before, and is found when asked for', async () => {
  const one = await tab(server, {}, ada);
  const talk = await says(ada, bob, 'Are you there?');
  await says(bob, ada, 'I am back');
  await one.until(async () => (await one.texts(talk)).length === 2, 'both are in the copy');
  await one.engine.askReaders(talk, 1);
  expect((await one.engine.conversation(talk))?.others_read).toBe(2);
});
