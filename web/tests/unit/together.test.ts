// The parts of working together that draw nothing: mentions, emoji, what waits laid over what is held, what later events make of
// a message, and commands that may be taken back. What must not live here: pages (tests/browser).
import 'fake-indexeddb/auto';
import { beforeAll, expect, test, vi } from 'vitest';
import { openCache, openKeep } from '../../src/engine/db';
import { annotated, entryOf, threaded } from '../../src/engine/entry';
import { uuidv7 } from '../../src/engine/ids';
import { take, takePage } from '../../src/engine/log';
import { Outbox } from '../../src/engine/outbox';
import type { Entry, OutboxRow } from '../../src/engine/records';
import { BOB, event, ME, message, page, TALK } from '../kit/events';

beforeAll(() => {
  // What a browser has and this process has not, and pages read as they are loaded.
  vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => {}, removeItem: () => {} });
  vi.stubGlobal('navigator', { language: 'en', languages: ['en'] });
});

const people = [
  { user: 'u1ada7x3q9k', name: 'ada', display_name: 'Ada Lovelace' },
  { user: 'u2b0b5mt8wz', name: 'bob', display_name: 'Bob' },
  { user: 'u3cyd0r4hn6', name: 'robert', display_name: 'Bob' },
  { user: 'u4dan6e1vpt', name: 'xiaoming', display_name: '小明' },
];

test('a mention is written by name and sent as an id, and comes back when one edits', async () => {
  const { decoded, encoded, labelsOf } = await import('../../src/ui/together/mention');
  const { labels, of } = labelsOf(people, ['all', '所有人']);
  const cases: [string, string][] = [
    ['@Ada Lovelace, look', '<@u1ada7x3q9k>, look'],
    ['@ada look', '<@u1ada7x3q9k> look'],
    ['@adamant is a word', '@adamant is a word'],
    ['ada@bob.example is an address', 'ada@bob.example is an address'],
    ['@小明你好', '<@u4dan6e1vpt>你好'],
    ['`@bob` in code, @bob not', '`@bob` in code, <@u2b0b5mt8wz> not'],
    ['@Bob (robert) and @Bob (bob)', '<@u3cyd0r4hn6> and <@u2b0b5mt8wz>'],
    ['@all: now', '<@all>: now'],
  ];
  for (const [written, sent] of cases) expect(encoded(written, labels)).toBe(sent);
  expect(decoded('<@u3cyd0r4hn6> and <@all> and <@u9gone0aaaaa>', of)).toBe('@Bob (robert) and @all and <@u9gone0aaaaa>');
  expect(encoded(decoded('<@u3cyd0r4hn6> <@u1ada7x3q9k>', of), labels)).toBe('<@u3cyd0r4hn6> <@u1ada7x3q9k>');
});

test('two of one name are told apart, and who has a nickname goes by it', async () => {
  const { labelsOf } = await import('../../src/ui/together/mention');
  const { labels, of } = labelsOf([...people, { user: 'u5eve2k8s9x', name: 'eve', display_name: 'Eve', nickname: 'Soup lady' }], []);
  expect(of('u2b0b5mt8wz')).toBe('Bob (bob)');
  expect(of('u5eve2k8s9x')).toBe('Soup lady');
  expect(labels.get('Bob')).toBeUndefined();
  expect(labels.get('all')).toBeUndefined();
});

test('the word that is being written is found behind its sign, and a time or an address is none', async () => {
  const { wordAt } = await import('../../src/ui/together/mention');
  expect(wordAt('hello @bo', 9)).toEqual({ sign: '@', word: 'bo', from: 6 });
  expect(wordAt('你好@小', 4)).toEqual({ sign: '@', word: '小', from: 2 });
  expect(wordAt(':smi', 4)).toEqual({ sign: ':', word: 'smi', from: 0 });
  for (const text of ['at 12:30', 'ada@bo', 'note: ', 'so :)', 'https://x']) expect(wordAt(text, text.length)).toBeUndefined();
});

test('emoji are found in both languages, by shortcode first, and take a tone where they can', async () => {
  const { everyEmoji, inTone, search } = await import('../../src/ui/together/emoji');
  const all = await everyEmoji();
  expect(all.length).toBeGreaterThan(1500);
  expect(search(all, 'tada', 3)[0]?.emoji).toBe('🎉');
  expect(search(all, '笑脸', 5).map((one) => one.emoji)).toContain('😀');
  expect(search(all, 'qqqq', 5)).toEqual([]);
  const wave = all.find((one) => one.code === 'wave')!;
  expect(inTone(wave, 3)).toBe('👋🏽');
  expect(inTone(wave, 0)).toBe('👋');
  expect(inTone(all.find((one) => one.code === 'tada')!, 3)).toBe('🎉');
});

const row = (change: Record<string, unknown>, state: OutboxRow['state'] = 'waiting'): OutboxRow =>
  ({ n: 1, client_id: uuidv7(), user: ME, lane: TALK, created: 0, state, change: { client_id: uuidv7(), ...change } }) as unknown as OutboxRow;
const entry = (): Entry => entryOf(message(4, 'as it was', 1));

test('what waits is laid over what is held, in order, and says that it waits', async () => {
  const { hasReacted, overlaid } = await import('../../src/ui/together/overlay');
  const edit = (text: string) => row({ type: 'edit', target: 4, body: { kind: 'text', text } });
  const held = entry();
  const before = structuredClone(held);
  const { entry: shown, waits } = overlaid(held, [edit('once'), row({ type: 'react', target: 4, emoji: '👍' }), edit('twice')], ME);
  expect(shown.body).toEqual({ kind: 'text', text: 'twice' });
  expect([waits, hasReacted(shown, '👍', ME)]).toEqual([true, true]);
  expect(held).toEqual(before);
  const off = overlaid(shown, [row({ type: 'react', target: 4, emoji: '👍', remove: true }, 'acked')], ME);
  expect([off.waits, hasReacted(off.entry, '👍', ME)]).toEqual([false, false]);
  const back = overlaid(held, [row({ type: 'recall', target: 4 }, 'held')], ME);
  expect([back.entry.erased, back.entry.body, back.waits, back.held?.state]).toEqual([true, undefined, false, 'held']);
});

test('of two words about one message the later one stands, whichever comes first; after a recall nothing does', () => {
  const one = entry();
  const edit = (seq: number, text: string) => event(seq, 'edited', { target: 4, body: { kind: 'text', text } });
  expect(annotated(one, edit(9, 'later'))).toBe(true);
  expect(annotated(one, edit(7, 'earlier'))).toBe(false);
  annotated(one, event(8, 'reaction', { target: 4, emoji: '👍', removed: true }));
  annotated(one, event(6, 'reaction', { target: 4, emoji: '👍' }));
  expect([one.body, one.reactions?.['👍']?.[BOB]]).toEqual([{ kind: 'text', text: 'later' }, -8]);
  expect(threaded(one, { replies: 3, last_seq: 12 })).toBe(true);
  expect(threaded(one, { replies: 2, last_seq: 11 })).toBe(false);
  expect(one.thread).toEqual({ replies: 3, last: 12 });
  annotated(one, event(10, 'recalled', { target: 4 }));
  expect(annotated(one, edit(11, 'too late'))).toBe(false);
  expect([one.body, one.erased]).toEqual([undefined, true]);
});

test('the copy keeps how many replies hang on a message, from events and from pages, and when people and pins changed', async () => {
  const cache = await openCache({ cache: uuidv7(), keep: uuidv7() });
  const replies = async () => (await cache.get('entries', [TALK, 1]))?.thread;
  await take(cache, ME, [message(1, 'root', 1), message(2, 'first', 1, { thread: 1, thread_count: 1 }), event(3, 'nickname', { user: BOB, name: 'B' })]);
  expect(await replies()).toEqual({ replies: 1, last: 2 });
  await takePage(cache, ME, TALK, page([message(4, 'second', 1, { thread: 1, thread_count: 2 }), event(5, 'pinned', { target: 1 })], { threads: [{ thread: 1, replies: 3, last_seq: 6 }] }), 5);
  expect(await replies()).toEqual({ replies: 3, last: 6 });
  const record = await cache.get('conversations', TALK);
  expect([record?.roster, record?.pins, record?.threads]).toEqual([3, 5, 4]);
  cache.close();
});

test('a held command is sent when its moment is over, unless it was taken back, and only once', async () => {
  const keep = await openKeep({ cache: uuidv7(), keep: uuidv7() });
  const outbox = new Outbox(keep, ME);
  const first = await outbox.add(TALK, { type: 'recall', client_id: uuidv7(), target: 4 }, 'held');
  const second = await outbox.add(TALK, { type: 'recall', client_id: uuidv7(), target: 5 }, 'held');
  await outbox.remove(second.n);
  expect(await outbox.release(second.n)).toBe(false);
  expect(await outbox.release(first.n)).toBe(true);
  expect(await outbox.release(first.n)).toBe(false);
  expect((await outbox.rows()).map((one) => one.state)).toEqual(['waiting']);
  keep.close();
});
