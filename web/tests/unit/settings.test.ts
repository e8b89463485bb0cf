// Settings of one's own on a real (in-memory) IndexedDB: which of two words counts, and what is told when. What must not live
// here: a server.
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Cache, type Keep, openCache, openKeep } from '../../src/engine/db';
import { uuidv7 } from '../../src/engine/ids';
import { Lost, Refused } from '../../src/engine/refusal';
import { Settings } from '../../src/engine/settings';
import type { Ask } from '../../src/engine/transport';
import type { Kept, Reply } from '../../src/proto';
import { ME, TALK } from '../kit/events';

let cache: Cache;
let keep: Keep;
let asked: Ask[];
let answer: (ask: Ask) => Promise<Reply>;
let settings: Settings;
let online: boolean;
beforeEach(async () => {
  const names = { cache: uuidv7(), keep: uuidv7() };
  cache = await openCache(names);
  keep = await openKeep(names);
  asked = [];
  online = true;
  answer = async () => ({ re: 1, type: 'set', change: 9 }) as unknown as Reply;
  settings = new Settings(cache, keep, ME, {
    ask: (ask) => {
      asked.push(ask);
      return answer(ask);
    },
    changed: () => {},
    online: () => online,
  });
});
afterEach(() => {
  settings.stop();
  vi.useRealTimers();
  cache.close();
  keep.close();
});

const pinned = (change: number, value?: boolean): Kept => ({ key: 'pinned', conversation: TALK, change, ...(value ? { value } : {}) }) as Kept;
const values = async () => (await settings.all()).map(({ id, kept }) => [id, kept.value]);

test('of two words about one setting the larger change counts, in whichever order they come', async () => {
  await settings.take([pinned(5, true)]);
  await settings.take([pinned(7)]);
  await settings.take([pinned(6, true)]);
  expect(await values()).toEqual([[`pinned:${TALK}`, undefined]]);
});

test('a wish holds at once, waits for the line, and is told as it stands then', async () => {
  answer = async () => {
    throw new Lost('no line');
  };
  await settings.wish({ key: 'pinned', conversation: TALK, value: true });
  await settings.wish({ key: 'notify', conversation: TALK, value: { level: 'none' } });
  await settings.wish({ key: 'pinned', conversation: TALK });
  expect((await values()).sort()).toEqual([[`notify:${TALK}`, { level: 'none' }], [`pinned:${TALK}`, undefined]]);
  asked = [];
  answer = async () => ({ re: 1, type: 'set', change: 9 }) as unknown as Reply;
  await settings.flush();
  expect(asked.map((ask) => [ask.key, ask.value]).sort()).toEqual([['notify', { level: 'none' }], ['pinned', undefined]]);
  await settings.flush();
  expect(asked.length).toBe(2);
});

test('what the server refuses for good is taken back and said; what it puts off stays', async () => {
  answer = async () => {
    throw new Refused('rate_limited', '', '', 500);
  };
  await settings.wish({ key: 'pinned', conversation: TALK, value: true });
  expect(await values()).toEqual([[`pinned:${TALK}`, true]]);
  answer = async () => {
    throw new Refused('not_found', '', '');
  };
  await expect(settings.wish({ key: 'pinned', conversation: TALK, value: true })).rejects.toThrow(Refused);
  expect(await values()).toEqual([]);
});

test('what has no answer, or is put off, is told again by itself; while there is no line nothing is tried', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const done = answer;
  answer = async () => {
    throw new Refused('busy', '', '', 700);
  };
  await settings.wish({ key: 'pinned', conversation: TALK, value: true });
  answer = async () => {
    throw new Lost('no answer');
  };
  await vi.advanceTimersByTimeAsync(701);
  await vi.waitFor(() => expect(asked.length).toBe(2));
  answer = done;
  await vi.waitFor(() => expect(vi.getTimerCount()).toBe(1));
  await vi.advanceTimersByTimeAsync(5_001);
  await vi.waitFor(() => expect(asked.length).toBe(3));
  await vi.waitFor(async () => expect((await settings.all())[0]?.kept.change).toBe(9));
  online = false;
  answer = async () => {
    throw new Lost('no line');
  };
  await settings.wish({ key: 'pinned', conversation: TALK });
  expect(vi.getTimerCount()).toBe(0);
});

test('what is refused when nobody waits for the answer is kept until it was seen, or is wished again', async () => {
  const saved = { key: 'saved' as const, conversation: TALK, seq: 4, value: true };
  online = false;
  answer = async () => {
    throw new Lost('no line');
  };
  await settings.wish(saved);
  answer = async () => {
    throw new Refused('not_found', 'no', 'do');
  };
  await settings.flush();
  const undone = [{ wish: saved, error: { code: 'not_found', message: 'no', next: 'do' } }];
  expect([await values(), await settings.undone()]).toEqual([[], undone]);
  // Another one, for a page that comes later.
  const later = new Settings(cache, keep, ME, { ask: () => Promise.reject(new Lost('')), changed: () => {}, online: () => false });
  expect(await later.undone()).toEqual(undone);
  await later.seen(undone[0]!);
  expect(await settings.undone()).toEqual([]);
});

test('a server that can take nothing now does not lose what was wished', async () => {
  answer = async () => {
    throw new Refused('read_only', '', '');
  };
  await settings.wish({ key: 'pinned', conversation: TALK, value: true });
  expect(await values()).toEqual([[`pinned:${TALK}`, true]]);
});

test('following a thread waits for the line like a setting, and is told as it stands then', async () => {
  online = false;
  answer = async () => {
    throw new Lost('no line');
  };
  const follow = { key: 'follow' as const, conversation: TALK, seq: 4 };
  await settings.wish({ ...follow, value: true });
  await settings.wish({ ...follow, value: false });
  expect([await settings.following(TALK, 4), await settings.all()]).toEqual([false, []]);
  asked = [];
  answer = async () => ({ re: 1, type: 'done' }) as unknown as Reply;
  await settings.flush();
  expect(asked).toEqual([{ type: 'follow', conversation: TALK, thread: 4, on: false }]);
  expect(await settings.following(TALK, 4)).toBeUndefined();
});

test('a copy that is too old is dropped, and all that is set is asked for', async () => {
  await settings.take([pinned(5, true)]);
  const pages = [
    { settings: [{ key: 'unseen', value: true, change: 8 }], more: true },
    { settings: [{ key: 'notify', value: { level: 'mentions' }, change: 9 }], more: false },
  ];
  const after: unknown[] = [];
  await settings.anew(async (ask) => {
    after.push(ask.after);
    return { re: 1, type: 'settings', ...pages.shift() } as unknown as Reply;
  });
  expect(after).toEqual([undefined, 8]);
  expect((await values()).map(([id]) => id).sort()).toEqual(['notify:', 'unseen:']);
});
