// What events do to the copy: on a real (in-memory) IndexedDB. What must not live here: the network.
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Cache, openCache } from '../../src/engine/db';
import { uuidv7 } from '../../src/engine/ids';
import { folded } from '../../src/engine/entry';
import { countAt, readBack, take, takeNewest, takeOlder, takePage } from '../../src/engine/log';
import type { Event } from '../../src/proto';
import { BOB, event, ME, message, page, TALK } from '../kit/events';

let cache: Cache;
beforeEach(async () => {
  cache = await openCache({ cache: uuidv7(), keep: uuidv7() });
});
afterEach(() => cache.close());

const took = (...events: Event[]) => take(cache, ME, events);
const record = async () => (await cache.get('conversations', TALK))!;
const texts = async () =>
  (await readBack(cache, TALK, Number.MAX_SAFE_INTEGER, 100)).map((entry) =>
    entry.erased ? '-' : entry.body?.kind === 'text' ? entry.body.text : entry.event.kind,
  );

test('what is held is dropped, what is next is applied, what is beyond is kept aside and pulled', async () => {
  await took(message(1, 'one', 1), message(2, 'two', 2));
  const again = await took(message(2, 'other', 2), message(5, 'five', 5));
  expect(again.aside.map((one) => one.seq)).toEqual([5]);
  expect(again.pull).toEqual([TALK]);
  expect(await texts()).toEqual(['one', 'two']);
  expect(await record()).toMatchObject({ have: 2, pull: 5, from: 1, complete: true });
});

test('a page fills the gap, also where numbers are skipped, and then what was aside is held', async () => {
  await took(message(1, 'one', 1), message(7, 'seven', 4));
  await takePage(cache, ME, TALK, page([message(3, 'three', 2), message(6, 'six', 3)], { last_seq: 7, more: true }), 7);
  expect(await record()).toMatchObject({ have: 6, pull: 7 });
  await took(message(7, 'seven', 4));
  expect((await record()).pull).toBeUndefined();
  expect(await texts()).toEqual(['one', 'three', 'six', 'seven']);
});

test('a page holds up to its last event, not to a last_seq that is newer than the page', async () => {
  await took(message(1, 'one', 1), message(9, 'nine', 3));
  await takePage(cache, ME, TALK, page([message(4, 'four', 2)], { last_seq: 9 }), 9);
  expect(await record()).toMatchObject({ have: 4 });
  expect((await took(message(9, 'nine', 3))).pull).toEqual([TALK]);
  await takePage(cache, ME, TALK, page([message(9, 'nine', 3)]), 9);
  expect(await texts()).toEqual(['one', 'four', 'nine']);
});

test('an event that came while the page was under way is still to be pulled; what the page should have had is not', async () => {
  await took(message(1, 'one', 1), message(5, 'five', 4));
  await took(message(6, 'six', 5));
  const under = page([message(2, 'two', 2), message(5, 'five', 4)], { last_seq: 5 });
  expect((await takePage(cache, ME, TALK, under, 5)).pull).toEqual([TALK]);
  expect(await record()).toMatchObject({ have: 5, pull: 6 });
  // Asked for up to 6, and the server has nothing more that may be seen: so there is nothing more.
  expect((await takePage(cache, ME, TALK, page([], { last_seq: 5 }), 6)).pull).toEqual([]);
  const newest = await takeNewest(cache, ME, TALK, page([message(7, 'seven', 6)]), 7);
  expect(newest.pull).toEqual([]);
  await took(message(9, 'nine', 8));
  expect((await takeNewest(cache, ME, TALK, page([message(8, 'eight', 7)]), 8)).pull).toEqual([TALK]);
});

test('of edits the largest seq wins, in any order, and a recall takes them all', async () => {
  await took(message(1, 'first', 1), event(2, 'edited', { target: 1, body: { kind: 'text', text: 'second' } }));
  const older = page([message(1, 'first', 1)], { annotations: [event(2, 'edited', { target: 1, body: { kind: 'text', text: 'stale' } })] as Event[] });
  await takePage(cache, ME, TALK, older, 0);
  expect(await texts()).toEqual(['second']);
  await took(event(3, 'recalled', { target: 1 }), event(4, 'edited', { target: 1, body: { kind: 'text', text: 'no' } }));
  expect(await texts()).toEqual(['-']);
  const [entry] = await readBack(cache, TALK, 99, 1);
  expect(JSON.stringify(entry)).not.toMatch(/first|second/);
});

test('a reaction is there if the newest word about it says so', async () => {
  await took(message(1, 'one', 1), event(2, 'reaction', { target: 1, emoji: '👍' }), event(3, 'reaction', { target: 1, emoji: '👍', removed: true }));
  const back = page([], { annotations: [event(2, 'reaction', { target: 1, emoji: '👍' })] as Event[], last_seq: 3 });
  await takePage(cache, ME, TALK, back, 0);
  const [entry] = await readBack(cache, TALK, 99, 1);
  expect(entry!.reactions!['👍']![BOB]).toBe(-3);
});

test('what a person erased goes from the copy, and nobody else’s', async () => {
  await took(message(1, 'secret', 1), message(2, 'mine', 2, { by: ME }), event(3, 'erased', { user: BOB, upto: 2 }));
  expect(await texts()).toEqual(['-', 'mine']);
  await took(event(4, 'erased', { upto: 3, by: 'u0000000000' }));
  expect(await texts()).toEqual(['-', '-']);
});

test('an erased event of a page is a tombstone', async () => {
  await takeNewest(cache, ME, TALK, page([event(1, 'message', { erased: true, count: 1 }), message(2, 'two', 2)]), 0);
  expect(await texts()).toEqual(['-', 'two']);
});

test('unread counts messages of others that raise the count, and nothing twice', async () => {
  await took(message(1, 'one', 1), message(2, 'two', 2), event(3, 'reaction', { target: 1, emoji: '👍', count: 2 }));
  expect((await record()).unread).toBe(2);
  await took(message(4, 'in a thread', 2, { thread: 1, thread_count: 1 }), message(5, 'for you', 3, { mentions: [ME] }));
  expect(await record()).toMatchObject({ unread: 3, unread_mentions: 1 });
  await took(message(6, 'my own', 4, { by: ME }));
  expect(await record()).toMatchObject({ unread: 0, read_seq: 6 });
  expect(await countAt(cache, TALK, 3)).toBe(2);
});

test('what the server counted already is not counted again', async () => {
  await cache.put('conversations', { ...(await (await took(message(1, 'one', 1)), record())), last_seq: 3, unread: 2, count: 1 });
  await took(message(2, 'two', 2), message(3, 'three', 3), message(4, 'four', 4));
  expect((await record()).unread).toBe(3);
});

test('an event that ends one’s membership is taken across a gap, and nothing is pulled any more', async () => {
  await took(message(1, 'one', 1), message(4, 'four', 3));
  await took(event(9, 'removed', { user: ME, count: 3 }));
  expect(await record()).toMatchObject({ gone: true, have: 9 });
  expect((await record()).pull).toBeUndefined();
});

test('the newest page drops what was held far behind, and older pages walk back from it', async () => {
  await took(message(1, 'one', 1));
  await takeNewest(cache, ME, TALK, page([message(901, 'a', 801), message(902, 'b', 802)], { more: true }), 0);
  expect(await texts()).toEqual(['a', 'b']);
  expect(await record()).toMatchObject({ have: 902, from: 901, complete: false });
  const late = event(905, 'edited', { target: 900, body: { kind: 'text', text: 'edited since' } });
  expect(await takeOlder(cache, TALK, 901, page([message(900, 'z', 800)], { more: false, annotations: [late] as Event[] }))).toBe(true);
  expect(await texts()).toEqual(['edited since', 'a', 'b']);
  expect(await record()).toMatchObject({ have: 902, from: 900, complete: true });
  // A page asked for from another place does not fit any more.
  expect(await takeOlder(cache, TALK, 901, page([message(850, 'x', 750)]))).toBe(false);
});

test('an event of an unknown kind counts as received', async () => {
  await took(message(1, 'one', 1), event(2, 'painted' as Event['kind'], { colour: 'blue', count: 1 }), message(3, 'three', 2));
  expect((await record()).have).toBe(3);
});

test('the list’s line is the newest message as it is now', async () => {
  await took(message(1, 'one', 1), message(2, 'two', 2));
  await took(event(3, 'edited', { target: 2, body: { kind: 'text', text: 'two, better' }, count: 2 }));
  expect((await record()).newest).toMatchObject({ seq: 2, text: 'two, better' });
  await took(event(4, 'recalled', { target: 2, count: 2 }));
  expect((await record()).newest).toMatchObject({ seq: 2, text: '', erased: true });
});

test('a page is the same whether it is kept or only looked at', async () => {
  const events = [
    message(1, 'one', 1),
    message(2, 'two', 2),
    message(3, 'three', 3),
    message(4, 'in a thread', 4, { thread: 1, thread_count: 2 }),
    event(5, 'edited', { target: 2, body: { kind: 'text', text: 'dos' } }),
    event(6, 'pinned', { target: 2 }),
    event(7, 'reaction', { target: 1, emoji: '👍' }),
  ];
  const annotations = [event(9, 'recalled', { target: 3 }), event(8, 'reaction', { target: 1, emoji: '👍', removed: true })];
  const threads = [{ thread: 2, replies: 1, last_seq: 10 }];
  await takeNewest(cache, ME, TALK, page(events, { annotations, threads }), 7);
  const looked = folded([...events, ...annotations], threads);
  expect(looked).toEqual(await readBack(cache, TALK, Number.MAX_SAFE_INTEGER, 100));
  expect(looked.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 6]);
  expect(looked[0]).toMatchObject({ thread: { replies: 2, last: 4 }, reactions: { '👍': { [BOB]: -8 } } });
  expect(looked[1]).toMatchObject({ thread: { replies: 1, last: 10 }, edited: 5 });
});
