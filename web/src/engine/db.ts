// The two databases of a browser: the copy of the log, which may be dropped at any time, and what must not be lost (the
// outbox, the session, the device). What must not live here: what is written into them.
//
// They are apart so that a client that meets a newer copy can drop it and keep the outbox. The keeping one only ever gets new
// stores and fields, and is opened at whatever version it has.
import { type DBSchema, deleteDB, type IDBPDatabase, openDB } from 'idb';
import { uuidv7 } from './ids';
import type { CacheMeta, ConversationRecord, Entry, OutboxRow, Session, SettingRecord, UserRecord } from './records';

/** Raise it when the form of the copy changes: the old copy is then dropped and fetched anew. */
export const CACHE_VERSION = 2;
const KEEP_VERSION = 2;

interface CacheSchema extends DBSchema {
  conversations: { key: string; value: ConversationRecord };
  entries: { key: [string, number]; value: Entry };
  users: { key: string; value: UserRecord };
  settings: { key: string; value: SettingRecord };
  meta: { key: 'meta'; value: CacheMeta };
}

interface KeepSchema extends DBSchema {
  outbox: { key: number; value: OutboxRow };
  /** The bytes that rows of the outbox wait to bring, by the row's client id. */
  files: { key: string; value: Blob | ArrayBuffer };
  meta: { key: string; value: unknown };
}

export type Cache = IDBPDatabase<CacheSchema>;
export type Keep = IDBPDatabase<KeepSchema>;
export const CACHE_STORES = ['conversations', 'entries', 'users', 'settings', 'meta'] as const;

export interface Names {
  cache: string;
  keep: string;
}
export const NAMES: Names = { cache: 'kinglet-copy', keep: 'kinglet-keep' };

/** `outdated` is called when a newer client wants the database: this tab has to be loaded anew. */
export async function openCache(names: Names = NAMES, outdated: () => void = () => {}, version = CACHE_VERSION): Promise<Cache> {
  const open = () =>
    openDB<CacheSchema>(names.cache, version, {
      upgrade(db) {
        for (const name of Array.from(db.objectStoreNames)) db.deleteObjectStore(name);
        db.createObjectStore('conversations', { keyPath: 'id' });
        db.createObjectStore('entries', { keyPath: ['conversation', 'seq'] });
        db.createObjectStore('users', { keyPath: 'user' });
        db.createObjectStore('settings', { keyPath: 'id' });
        db.createObjectStore('meta');
      },
      blocking(_current, _blocked, event) {
        (event.target as IDBDatabase).close();
        outdated();
      },
    });
  try {
    return await open();
  } catch (error) {
    // A newer client was here. Its copy is of no use to this one, and can be fetched again.
    if ((error as DOMException).name !== 'VersionError') throw error;
    await deleteDB(names.cache);
    return open();
  }
}

export async function openKeep(names: Names = NAMES, outdated: () => void = () => {}): Promise<Keep> {
  const open = (version?: number) =>
    openDB<KeepSchema>(names.keep, version, {
      upgrade(db) {
        if (!db.objectStoreNames.contains('outbox')) db.createObjectStore('outbox', { keyPath: 'n', autoIncrement: true });
        if (!db.objectStoreNames.contains('meta')) db.createObjectStore('meta');
        if (!db.objectStoreNames.contains('files')) db.createObjectStore('files');
      },
      blocking(_current, _blocked, event) {
        (event.target as IDBDatabase).close();
        outdated();
      },
    });
  try {
    return await open(KEEP_VERSION);
  } catch (error) {
    if ((error as DOMException).name !== 'VersionError') throw error;
    return open();
  }
}

/** Made once; every sign-in of this browser presents it. */
export async function deviceId(keep: Keep, anew = false): Promise<string> {
  const tx = keep.transaction('meta', 'readwrite');
  const there = (await tx.store.get('device')) as string | undefined;
  const device = there && !anew ? there : uuidv7();
  if (device !== there) await tx.store.put(device, 'device');
  await tx.done;
  return device;
}

export async function readSession(keep: Keep): Promise<Session | undefined> {
  return (await keep.get('meta', 'session')) as Session | undefined;
}

export async function writeSession(keep: Keep, session: Session | undefined): Promise<void> {
  if (session) await keep.put('meta', session, 'session');
  else await keep.delete('meta', 'session');
}
