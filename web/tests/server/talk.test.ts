// What follows a person from one device to the other, and who is here: against the real server. What must not live here:
// messages (sync.test.ts, send.test.ts).
import { expect, test } from 'vitest';
import { uuidv7 } from '../../src/engine/ids';
import type { Client } from '../kit/client';
import { PASSWORD } from '../kit/kinglet';
import { ada, aPairEach, bob, says, server, tab } from '../kit/pair';
import { Wire } from '../kit/wire';

aPairEach();

const settled = (one: Client) => one.until(() => one.engine.settled, 'it has caught up');
const set = async (one: Client, id: string) => (await one.engine.settings()).find((record) => record.id === id)?.kept.value;

test('a setting reaches the other device at once, after an absence, and after it was made without a line', async () => {
  const talk = await says(bob, ada, 'Hello');
  const laptop = await server.api().signIn({ name: 'ada', password: PASSWORD, device: { id: uuidv7(), name: 'laptop' } });
  const wire = await Wire.to(server.socketUrl);
  const one = await tab(server, {}, ada);
  const other = await tab({ url: server.url, socketUrl: wire.url }, {}, laptop);
  await settled(one);
  await settled(other);
  await one.engine.set({ key: 'draft', conversation: talk, value: { text: 'half' } });
  await other.until(async () => JSON.stringify(await set(other, `draft:${talk}`)) === '{"text":"half"}', 'the draft is there');
  // The other one goes away; what changes meanwhile it finds when it is back.
  wire.open = false;
  wire.cut();
  await other.until(() => other.engine.line !== 'online', 'it has noticed');
  await one.engine.set({ key: 'draft', conversation: talk });
  await other.engine.set({ key: 'pinned', conversation: talk, value: true });
  expect(await set(other, `pinned:${talk}`)).toBe(true);
  wire.open = true;
  other.engine.wake();
  await other.until(async () => (await set(other, `draft:${talk}`)) === undefined, 'the draft is gone');
  await one.until(async () => (await set(one, `pinned:${talk}`)) === true, 'the pin has come');
  await wire.close();
});

test('who comes and goes is told while one is here, and forgotten when the line is lost', async () => {
  await says(bob, ada, 'Hello');
  const one = await tab(server, {}, ada);
  const online = () => one.changes.findLast((changed) => changed.online)?.online;
  await settled(one);
  const other = await tab(server, {}, bob);
  await one.until(() => online()?.includes(bob.user) ?? false, 'bob is here');
  other.engine.close();
  await one.until(() => online()?.length === 0, 'bob has gone');
  const again = await tab(server, {}, bob);
  await one.until(() => online()?.includes(bob.user) ?? false, 'bob is here again');
  await server.kill();
  await one.until(() => online()?.length === 0, 'nothing is known');
  again.engine.close();
});
