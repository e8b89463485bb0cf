// Ada and Bob on a server of their own for each test, and the tabs that are opened in it. What must not live here: stories, browsers.
import { afterEach, beforeEach } from 'vitest';
import { uuidv7 } from '../../src/engine/ids';
import type { SignedIn } from '../../src/proto';
import { type Client, client } from './client';
import { Kinglet } from './kinglet';

export let server: Kinglet;
export let ada: SignedIn;
export let bob: SignedIn;
const open: Client[] = [];

/** Called once in a file of tests. */
export function aPairEach(): void {
  beforeEach(async () => {
    server = await Kinglet.start();
    ada = await server.claim('ada');
    bob = await server.join(ada, 'bob');
  });
  afterEach(async () => {
    for (const one of open.splice(0)) one.engine.close();
    await server.stop();
  });
}

export async function tab(...how: Parameters<typeof client>): Promise<Client> {
  const one = await client(...how);
  open.push(one);
  return one;
}

/** Gives the conversation. */
export async function says(who: SignedIn, to: SignedIn, text: string): Promise<string> {
  const reply = await server.api(who.token).command({ id: 1, type: 'send', client_id: uuidv7(), to: to.user, body: { kind: 'text', text } });
  if (reply.type !== 'ack') throw new Error('not acked');
  return reply.conversation;
}
