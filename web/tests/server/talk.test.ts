// What follows a person from one device to the other, and who is here: against the real server. What must not live here:
// messages (sync.test.ts, send.test.ts).
import { afterEach, beforeEach, expect, test } from 'vitest';
import { uuidv7 } from '../../src/engine/ids';
import type { SignedIn } from '../../src/proto';
import { type Client, client } from '../kit/client';
import { Kinglet, PASSWORD } from '../kit/kinglet';
import { Wire } from '../kit/wire';

let server: Kinglet;
let ada: SignedIn;
let bob: SignedIn;
let open: Client[];
beforeEach(async () => {
  server = await Kinglet.start();
  ada = await server.claim('ada');
  bob = await server.join(ada, 'bob');
  open = [];
});
afterEach(async () => {
  for (const one of open) one.engine.close();
  await server.stop();
});

async function tab(...how: Parameters<typeof client>): Promise<Client> {
  const one = await client(...how);
  open.push(one);
  return one;
}
const settled = (one: Client) => one.until(() => one.engine.settled, 'it has caught up');
const set = async (one: Client, id: string) => (await one.engine.settings()).find((record) => record.id === id)?.kept.value;

async function says(who: SignedIn, to: SignedIn): Promise<string> {
  const send = { id: 1, type: 'send', client_id: uuidv7(), to: to.user, body: { kind: 'text', text: 'Hello' } };
  const reply = await server.api(who.token).command(send);
  if (reply.type !== 'ack') throw new Error('not acked');
  return reply.conversation;
}

test('a setting reaches the other device at once, after an absence, and after it was made without a line', async () => {
  const talk = await says(bob, ada);
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
  await says(bob, ada);
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
