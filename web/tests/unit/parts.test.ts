// Ids, delays, databases of another version, and who of several tabs holds the line. What must not live here: the log, the outbox.
import 'fake-indexeddb/auto';
import { deleteDB } from 'idb';
import { expect, test, vi } from 'vitest';
import { Backoff } from '../../src/engine/backoff';
import { CACHE_VERSION, deviceId, openCache, openKeep } from '../../src/engine/db';
import { uuidv7 } from '../../src/engine/ids';
import { stand } from '../../src/engine/leader';
import { Outbox } from '../../src/engine/outbox';
import { emptyRecord } from '../../src/engine/log';
import { Refused, verdict } from '../../src/engine/refusal';
import { Tabs } from '../../src/engine/tabs';

test('ids are UUIDs of version 7, in order, without a secure context', () => {
  vi.stubGlobal('crypto', { getRandomValues: (bytes: Uint8Array) => bytes.fill(7) });
  try {
    const ids = Array.from({ length: 5_000 }, () => uuidv7(1_764_000_000_000));
    expect(ids[0]).toMatch(/^019ab697-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(ids).size).toBe(ids.length);
    expect([...ids].sort()).toEqual(ids);
    expect(uuidv7(1_763_000_000_000) > ids.at(-1)!).toBe(true);
  } finally {
    vi.unstubAllGlobals();
  }
});

test('the delay is random below a bound that doubles up to a minute, and at least what the server asks', () => {
  const backoff = new Backoff(() => 1);
  expect(Array.from({ length: 8 }, () => backoff.next())).toEqual([1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]);
  backoff.reset();
  expect(backoff.next(5_000)).toBe(5_000);
});

test('an older client that meets a newer copy drops it and keeps the outbox, the session and the device', async () => {
  const names = { cache: uuidv7(), keep: uuidv7() };
  const newer = await openCache(names, () => {}, CACHE_VERSION + 1);
  await newer.put('conversations', emptyRecord('c5f9k2m8xqa'));
  newer.close();
  const keep = await openKeep(names);
  const device = await deviceId(keep);
  await new Outbox(keep, 'u1ada7x3q9k').add('c5f9k2m8xqa', { type: 'send', client_id: uuidv7() });
  keep.close();
  const cache = await openCache(names);
  expect(await cache.count('conversations')).toBe(0);
  expect(cache.version).toBe(CACHE_VERSION);
  const again = await openKeep(names);
  expect(await again.count('outbox')).toBe(1);
  expect(await deviceId(again)).toBe(device);
  cache.close();
  again.close();
});

test('what is kept can be opened when a newer client added to it', async () => {
  const names = { cache: uuidv7(), keep: uuidv7() };
  const keep = await openKeep(names);
  const device = await deviceId(keep);
  keep.close();
  const { openDB } = await import('idb');
  (await openDB(names.keep, 7, { upgrade: (db) => void db.createObjectStore('later') })).close();
  const older = await openKeep(names);
  expect(await deviceId(older)).toBe(device);
  older.close();
  await deleteDB(names.keep);
});

test('a newer client takes the database over, and the older one is told', async () => {
  const names = { cache: uuidv7(), keep: uuidv7() };
  const outdated = vi.fn();
  await openCache(names, outdated);
  const newer = await openCache(names, () => {}, CACHE_VERSION + 1);
  expect(outdated).toHaveBeenCalledOnce();
  newer.close();
});

test('without locks one tab has the lease, and the next when it goes', async () => {
  const keep = await openKeep({ cache: uuidv7(), keep: uuidv7() });
  const won = [vi.fn(), vi.fn()];
  const lost = [vi.fn(), vi.fn()];
  const tabs = [0, 1].map((at) => stand(keep, 'line', { won: won[at]!, lost: lost[at]! }, undefined));
  await vi.waitFor(() => expect(tabs.filter((tab) => tab.leads)).toHaveLength(1));
  const first = tabs.findIndex((tab) => tab.leads);
  expect(won[1 - first]).not.toHaveBeenCalled();
  tabs[first]!.resign();
  expect(lost[first]).toHaveBeenCalledOnce();
  await vi.waitFor(() => expect(won[1 - first]).toHaveBeenCalledOnce(), { timeout: 5_000 });
  tabs[1 - first]!.resign();
});

test('without locks a page that goes makes way at once for the one that comes in its place', async () => {
  const keep = await openKeep({ cache: uuidv7(), keep: uuidv7() });
  const nothing = { won: () => {}, lost: () => {} };
  const before = stand(keep, 'line', nothing, undefined);
  await vi.waitFor(() => expect(before.leads).toBe(true));
  before.away();
  const after = stand(keep, 'line', nothing, undefined);
  await vi.waitFor(() => expect(after.leads).toBe(true), { timeout: 500 });
  // The one that went may come back: then there is still one.
  await vi.waitFor(() => expect([before.leads, after.leads]).toEqual([false, true]), { timeout: 5_000 });
  after.resign();
  before.resign();
});

test('a tab asks the one with the line, and gets its answer or its refusal', async () => {
  const nothing = { changed: () => {}, outbox: () => {}, who: () => {} };
  const name = uuidv7();
  const asks = new Tabs(name, { ...nothing, call: () => undefined });
  const leads = new Tabs(name, {
    ...nothing,
    call: (call) => (call.do === 'older' ? Promise.resolve(true) : Promise.reject(new Refused('busy', 'm', 'n', 250))),
  });
  expect(await asks.call({ do: 'older', conversation: 'c5f9k2m8xqa' })).toBe(true);
  await expect(asks.call({ do: 'wake' })).rejects.toMatchObject({ code: 'busy', retryAfter: 250 });
  asks.close();
  leads.close();
});

test('what a refusal means for the outbox', () => {
  const of = (code: string, after?: number, type = 'send') => verdict(new Refused(code as Refused['code'], '', '', after), type).is;
  expect(of('busy', 250)).toBe('later');
  expect(of('signed_out')).toBe('next-welcome');
  expect(of('internal')).toBe('next-welcome');
  expect(of('no_change')).toBe('done');
  expect(of('already_member', undefined, 'join')).toBe('done');
  expect(of('already_member')).toBe('final');
  expect(of('muted')).toBe('final');
  expect(of('a_code_of_tomorrow')).toBe('final');
});

test('what was asked of a tab that has gone is over as soon as the one that asked holds the line; what no other ever had is done by it', async () => {
  const name = uuidv7();
  const nothing = { changed: () => {}, outbox: () => {}, who: () => {}, call: () => undefined };
  const gone = new Tabs(name, nothing);
  const heard = vi.fn();
  const asks = new Tabs(name, { ...nothing, changed: heard });
  const done = vi.fn(async () => 'done here');
  const first = asks.call({ do: 'wake' });
  asks.won(done);
  expect(await first).toBe('done here');
  expect(done).toHaveBeenCalledExactlyOnceWith({ do: 'wake' });
  gone.tell({ line: 'online' });
  await vi.waitFor(() => expect(heard).toHaveBeenCalled());
  const second = asks.call({ do: 'wake' });
  asks.won(done);
  await expect(second).rejects.toThrow('this tab holds the line now');
  expect(done).toHaveBeenCalledOnce();
  gone.close();
  asks.close();
});
