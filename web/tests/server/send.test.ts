// A message on its way to the real server, with the line cut at every stage: never lost, never doubled, in order. What must
// not live here: how lines are cut (kit/wire.ts).
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SignedIn } from '../../src/proto';
import { type Client, client } from '../kit/client';
import { Kinglet } from '../kit/kinglet';
import { type Judge, Wire } from '../kit/wire';

let server: Kinglet;
let ada: SignedIn;
let bob: SignedIn;
beforeAll(async () => {
  server = await Kinglet.start();
  ada = await server.claim('ada');
});
afterAll(() => server.stop());

let wire: Wire;
let here: Client;
let there: Client;
let people = 0;

beforeEach(async () => {
  // Someone new each time, so that each story has a conversation of its own.
  bob = await server.join(ada, `bob${String.fromCharCode(97 + people++)}`);
  wire = await Wire.to(server.socketUrl);
  here = await client({ url: server.url, socketUrl: wire.url }, {}, bob);
  there = await client(server, {}, ada);
  await here.until(() => here.engine.line === 'online');
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') {
    // What a failing story has to show: the frames, and how far each copy is.
    for (const { way, frame } of wire.frames) console.log(way, JSON.stringify(frame).slice(0, 300));
    console.log('sender', here.engine.line, await here.engine.conversations(), await here.engine.outbox());
    for (const one of [here, there]) for (const each of await one.engine.conversations()) console.log(each.id, await one.engine.entries(each.id, 1e9, 99));
    console.log('other', there.engine.line, await there.engine.conversations(), JSON.stringify(there.changes).slice(-1500));
  }
  here.engine.close();
  there.engine.close();
  await wire.close();
});

const say = (text: string) => here.engine.post({ user: ada.user }, { type: 'send', body: { kind: 'text', text } });
const talk = async () => (await here.engine.conversations()).find((one) => one.peer === ada.user)?.id ?? '';
const nothingWaits = async () => (await here.engine.outbox()).length === 0;

/** What is in the log itself, asked by another than the engine. */
async function logged(conversation: string): Promise<string[]> {
  const reply = await server.api(ada.token).command({ id: 1, type: 'history', conversation, limit: 100 });
  if (reply.type !== 'history') throw new Error('no history');
  return reply.events.flatMap((event) => (event.kind === 'message' && event.body?.kind === 'text' ? [event.body.text] : []));
}

async function allThere(texts: string[]): Promise<void> {
  await here.until(nothingWaits, 'the outbox is empty');
  await here.until(async () => (await talk()) !== '', 'the conversation is known');
  const conversation = await talk();
  expect(await logged(conversation)).toEqual(texts);
  await here.until(async () => (await here.texts(conversation)).length >= texts.length, 'the sender has it');
  expect(await here.texts(conversation)).toEqual(texts);
  await there.until(async () => (await there.texts(conversation)).length >= texts.length, 'the other one has it');
  expect(await there.texts(conversation)).toEqual(texts);
}

/** Cuts once, at the n-th frame of a kind. */
function once(kind: (frame: Record<string, unknown>) => boolean, fate: 'cut-before' | 'cut-after', nth = 1): Judge {
  let seen = 0;
  return (frame) => (kind(frame) && ++seen === nth ? fate : 'pass');
}
const is = (type: string) => (frame: Record<string, unknown>) => frame.type === type;
const says = (text: string) => (frame: Record<string, unknown>) =>
  frame.type === 'event' && (frame.body as { text?: string } | undefined)?.text === text;
const TEXTS = ['one', 'two', 'three', 'four'];

describe('the line is cut', () => {
  const stages: [string, () => Judge][] = [
    ['before the command reaches the server', () => once(is('send'), 'cut-before')],
    ['when the command has reached the server, before anything comes back', () => once(is('send'), 'cut-after')],
    ['before the ack', () => once(is('ack'), 'cut-before')],
    ['right after the ack', () => once(is('ack'), 'cut-after')],
    ['before the event', () => once(says('one'), 'cut-before')],
    ['right after the event', () => once(says('one'), 'cut-after')],
    ['before the ack of the third', () => once(is('ack'), 'cut-before', 3)],
    ['before the event of the third', () => once(says('three'), 'cut-before')],
  ];
  test.each(stages)('%s', async (_, judge) => {
    wire.judge = judge();
    for (const text of TEXTS) await say(text);
    await allThere(TEXTS);
    await here.until(() => wire.frames.filter(({ frame }) => frame.type === 'hello').length > 1, 'it was cut at all');
  });

  test('again and again, at every hello, welcome and ack once', async () => {
    let cuts = 0;
    wire.judge = (frame) => {
      const stage = ['hello', 'welcome', 'ack', 'send'].includes(String(frame.type));
      return stage && cuts++ % 2 === 0 && cuts < 16 ? (cuts % 4 ? 'cut-after' : 'cut-before') : 'pass';
    };
    wire.cut();
    for (const text of TEXTS) await say(text);
    await allThere(TEXTS);
  });
});

test('what is said without a line waits on disk, survives a restart of the client, and goes out in order', async () => {
  const names = { cache: 'restart-copy', keep: 'restart-keep' };
  const where = { url: server.url, socketUrl: wire.url };
  wire.open = false;
  const first = await client(where, { names }, bob);
  for (const text of TEXTS) await first.engine.post({ user: ada.user }, { type: 'send', body: { kind: 'text', text } });
  expect((await first.engine.outbox()).map((row) => row.state)).toEqual(['waiting', 'waiting', 'waiting', 'waiting']);
  first.engine.close();
  wire.open = true;
  here.engine.close();
  here = await client(where, { names });
  await allThere(TEXTS);
});

test('the server is killed in the middle and started again', async () => {
  for (const text of TEXTS.slice(0, 2)) await say(text);
  await server.kill();
  for (const text of TEXTS.slice(2)) await say(text);
  await server.restart();
  await allThere(TEXTS);
});

test('a final refusal is shown on that message, and what comes after it is sent', async () => {
  const long = await say('x'.repeat(40_000));
  await say('short');
  await here.until(async () => (await here.engine.outbox()).some((row) => row.state === 'failed'));
  const failed = (await here.engine.outbox()).find((row) => row.n === long.n);
  expect(failed?.error?.code).toMatch(/too_large|bad_request/);
  await here.engine.discard(long.n);
  await allThere(['short']);
});
