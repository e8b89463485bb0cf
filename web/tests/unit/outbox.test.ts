// Order, retries and refusals of what was said. What must not live here: a real server (tests/server).
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Keep, openKeep } from '../../src/engine/db';
import { uuidv7 } from '../../src/engine/ids';
import { Outbox, Sender } from '../../src/engine/outbox';
import type { Change, OutboxRow } from '../../src/engine/records';
import { Lost, Refused } from '../../src/engine/refusal';
import type { Ask } from '../../src/engine/transport';
import type { Reply } from '../../src/proto';
import { ME, TALK } from '../kit/events';

let keep: Keep;
let outbox: Outbox;
let sent: Ask[];
let answer: (ask: Ask) => Promise<Reply>;
let sender: Sender;

beforeEach(async () => {
  keep = await openKeep({ cache: uuidv7(), keep: uuidv7() });
  outbox = new Outbox(keep, ME);
  sent = [];
  answer = acks();
  sender = new Sender(outbox, {
    ask: (ask) => {
      sent.push(ask);
      return answer(ask);
    },
    changed: () => {},
    acked: (row, ack) => outbox.change(row.n, { state: 'acked', conversation: ack.conversation, seq: ack.seq }),
  });
});
afterEach(() => {
  sender.sleep();
  vi.useRealTimers();
  keep.close();
});

function acks(): (ask: Ask) => Promise<Reply> {
  let seq = 0;
  return async () => ({ re: 1, type: 'ack', conversation: TALK, seq: ++seq, ts: 0 }) as Reply;
}
const say = (text: string, lane = TALK) => outbox.add(lane, change(text));
const change = (text: string): Change => ({ type: 'send', client_id: uuidv7(), body: { kind: 'text', text } });
const said = () => sent.map((ask) => (ask.body as { text: string }).text);
const states = async () => (await outbox.rows()).map((row) => row.state);
const refuse = (code: string, after?: number) => Promise.reject(new Refused(code as Refused['code'], 'no', 'do', after));

test('commands of one conversation go one after the other, in the order in which they were written down', async () => {
  let open: (() => void)[] = [];
  const done = acks();
  answer = (ask) => new Promise((resolve) => open.push(() => resolve(done(ask))));
  for (const text of ['1', '2', '3']) await say(text);
  await say('elsewhere', 'c0gr7w4tn3h');
  sender.welcome();
  await vi.waitFor(() => expect(said()).toEqual(['1', 'elsewhere']));
  while ((await states()).some((state) => state === 'waiting')) {
    const now = open;
    open = [];
    for (const one of now) one();
    await new Promise((resolve) => setTimeout(resolve));
  }
  expect(said().filter((text) => text !== 'elsewhere')).toEqual(['1', '2', '3']);
});

test('after a lost answer the same command goes again with the same client id, before what came after it', async () => {
  const [one] = [await say('1'), await say('2')];
  answer = () => Promise.reject(new Lost('cut'));
  sender.welcome();
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  sender.sleep();
  answer = acks();
  sender.welcome();
  await vi.waitFor(async () => expect(await states()).toEqual(['acked', 'acked']));
  expect(said()).toEqual(['1', '1', '2']);
  expect(sent.slice(0, 2).map((ask) => ask.client_id)).toEqual([one!.client_id, one!.client_id]);
});

test('asked to wait, a conversation waits as a whole and keeps its order', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  await say('1');
  await say('2');
  let busy = true;
  const ack = acks();
  answer = (ask) => (busy ? refuse('busy', 250) : ack(ask));
  sender.welcome();
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  busy = false;
  await vi.advanceTimersByTimeAsync(200);
  expect(sent).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(100);
  await vi.waitFor(() => expect(said()).toEqual(['1', '1', '2']));
});

test('a final refusal fails that command, says why, and lets the next go', async () => {
  const muted = await say('1');
  await say('2');
  const ack = acks();
  answer = (ask) => (ask.client_id === muted.client_id ? refuse('muted') : ack(ask));
  sender.welcome();
  await vi.waitFor(async () => expect(await states()).toEqual(['failed', 'acked']));
  expect((await outbox.rows())[0]!.error).toEqual({ code: 'muted', message: 'no', next: 'do' });
  answer = ack;
  await outbox.retry(muted.n);
  const rows = await outbox.rows();
  expect(rows.at(-1)).toMatchObject({ client_id: muted.client_id, state: 'waiting' });
  await sender.kick();
  await vi.waitFor(async () => expect(await states()).toEqual(['acked', 'acked']));
});

test('no_change is done, and what the server could not do waits for the next welcome', async () => {
  await say('1');
  answer = () => refuse('no_change');
  sender.welcome();
  await vi.waitFor(async () => expect(await states()).toEqual([]));
  await say('2');
  answer = () => refuse('internal');
  await sender.kick();
  await vi.waitFor(() => expect(sent).toHaveLength(2));
  await sender.kick();
  expect(sent).toHaveLength(2);
  answer = acks();
  sender.welcome();
  await vi.waitFor(async () => expect(await states()).toEqual(['acked']));
});

test('an event takes its command out, an ack whose place is held too, and another person’s words stay theirs', async () => {
  const one = await say('1');
  const two = await say('2');
  const other = new Outbox(keep, 'u2b0b5mt8wz');
  await other.add(TALK, change('theirs'));
  await outbox.arrived([one.client_id]);
  await outbox.change(two.n, { state: 'acked', conversation: TALK, seq: 5 });
  expect(await outbox.settle((_, seq) => seq <= 4)).toBe(false);
  expect(await outbox.settle((_, seq) => seq <= 5)).toBe(true);
  expect(await outbox.rows()).toEqual([]);
  expect(await other.rows()).toHaveLength(1);
});

test('what was written down is there after a restart, with its id and order', async () => {
  const written: OutboxRow[] = [];
  for (const text of ['1', '2', '3']) written.push(await say(text));
  const again = new Outbox(keep, ME);
  expect((await again.rows()).map((row) => row.client_id)).toEqual(written.map((row) => row.client_id));
});

test('what is being written down is shown at once, once, and not sent before it is on the disk', async () => {
  sender.welcome();
  let shown: OutboxRow[] = [];
  let early = 0;
  const command = change('at once');
  const writing = outbox.add(TALK, command, 'waiting', (row) => {
    shown = [row];
    early = sent.length;
  });
  // Before anything was waited for.
  expect(shown.map(({ client_id, state }) => [client_id, state])).toEqual([[command.client_id, 'waiting']]);
  const before = outbox.shown();
  await sender.kick();
  const row = await writing;
  expect([early, row.n > 0]).toEqual([0, true]);
  for (const rows of [await before, await outbox.shown()]) expect(rows.map((one) => one.client_id)).toEqual([command.client_id]);
  await sender.kick();
  await vi.waitFor(() => expect(said()).toEqual(['at once']));
});

test('what cannot be written down is not shown any longer', async () => {
  const shown: string[] = [];
  // Nothing of the kind can be kept.
  const command = { ...change('lost'), body: () => {} };
  await expect(outbox.add(TALK, command, 'waiting', (row) => shown.push(row.client_id))).rejects.toThrow();
  expect([shown, await outbox.shown()]).toEqual([[command.client_id], []]);
});
