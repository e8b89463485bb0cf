// Joining, talking, and a server that goes away and comes back, in the other browsers that people have: Firefox and WebKit,
// with the same words. What must not live here: what is told once, in Chromium.
import { afterEach, expect, test } from 'vitest';
import { uuidv7 } from '../../src/engine/ids';
import type { SignedIn } from '../../src/proto';
import { firefox } from '../kit/firefox';
import { Kinglet, PASSWORD } from '../kit/kinglet';
import { front } from '../kit/preview';
import { type Drive, Visitor } from '../kit/visitor';
import { webkit } from '../kit/webkit';

const ends: (() => Promise<unknown> | undefined)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function group(server: Kinglet, ada: SignedIn): Promise<{ talk: string; code: string }> {
  const reply = await server.api(ada.token).command({ id: 1, type: 'create', client_id: uuidv7(), kind: 'group', title: 'Harbour', history: true });
  if (reply.type !== 'ack') throw new Error('not acked');
  const talk = reply.conversation;
  const { code } = await server.api(ada.token).invite({ client_id: uuidv7(), role: 'member', uses: 1, days: 1, conversation: talk });
  return { talk, code };
}

test.each<[string, () => Promise<Drive>]>([
  ['Firefox', firefox],
  ['WebKit', webkit],
])('%s: open an invitation, join, send, hear an answer; write while the server is gone; it is delivered once', async (_name, start) => {
  const server = await Kinglet.start();
  ends.push(() => server.stop());
  const shown = await front(server);
  ends.push(() => shown.close());
  const ada = await server.claim('ada');
  const { talk, code } = await group(server, ada);
  const texts = async () => {
    const reply = await server.api(ada.token).command({ id: 1, type: 'history', conversation: talk });
    return reply.type === 'history' ? reply.events.flatMap((event) => (event.kind === 'message' && event.body?.kind === 'text' ? [event.body.text] : [])) : [];
  };
  const drive = await start();
  ends.push(() => drive.close());
  const bob = new Visitor(drive);

  await drive.goto(`${shown.url}/join#${code}`);
  await bob.see('heading', 'ada invites you to Harbour');
  await bob.fill('Your name', 'bob');
  await bob.fill('Password', PASSWORD);
  await bob.press('button', 'Join');
  await bob.fill('Write to Harbour', 'I am in');
  await bob.press('button', 'Send');
  await bob.see('text', 'I am in', '[role=log]');
  await expect.poll(texts, { timeout: 20_000 }).toEqual(['I am in']);
  await server.api(ada.token).command({ id: 1, type: 'send', client_id: uuidv7(), conversation: talk, body: { kind: 'text', text: 'Welcome' } });
  await bob.see('text', 'Welcome', '[role=log]');

  await server.kill();
  await bob.fill('Write to Harbour', 'from afar');
  await bob.press('button', 'Send');
  await bob.see('text', 'from afar', '[role=log]');
  await bob.see('text', 'Waiting', '[role=log]');
  await server.restart();
  await expect.poll(texts, { timeout: 30_000 }).toEqual(['I am in', 'Welcome', 'from afar']);
  await server.api(ada.token).command({ id: 1, type: 'send', client_id: uuidv7(), conversation: talk, body: { kind: 'text', text: 'All there' } });
  await bob.see('text', 'All there', '[role=log]');
  expect(await texts()).toEqual(['I am in', 'Welcome', 'from afar', 'All there']);
  expect(await bob.count('[role=log] article')).toBe(4);
});
