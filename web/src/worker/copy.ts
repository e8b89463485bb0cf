// What the worker reads of that which pages keep: names of conversations in the copy of the log, and the language. What must
// not live here: writing any of it.
import type { ConversationRecord, UserRecord } from '../engine/records';
import type { Known } from './notice';
import { TOLD } from './shell';

const COPY = 'kinglet-copy';
export const LANGUAGE = '/language';

/** Opens the copy only if there is one, at whatever version; it is closed at once, so that no page has to wait for it. */
function open(): Promise<IDBDatabase | undefined> {
  return new Promise((resolve) => {
    const request = indexedDB.open(COPY);
    request.onupgradeneeded = () => request.transaction?.abort();
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve(undefined);
  });
}

function all<T>(db: IDBDatabase, store: string): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const request = db.transaction(store).objectStore(store).getAll();
    request.onsuccess = () => resolve(request.result as T[]);
    request.onerror = () => reject(request.error);
  });
}

export async function known(conversation: string): Promise<Known> {
  const db = await open();
  if (!db) return { elsewhere: 0 };
  try {
    const records = await all<ConversationRecord>(db, 'conversations');
    const record = records.find((one) => one.id === conversation);
    const users = record?.kind === 'direct' ? await all<UserRecord>(db, 'users') : [];
    const peer = users.find((user) => user.user === record?.peer);
    const title = peer ? peer.display_name || peer.name : record?.title;
    const others = records.filter((one) => one.id !== conversation && !one.gone && !one.unnamed);
    return { ...(title ? { title } : {}), elsewhere: others.reduce((sum, one) => sum + one.unread, 0) };
  } catch {
    return { elsewhere: 0 };
  } finally {
    db.close();
  }
}

export async function language(): Promise<string> {
  const told = await (await caches.open(TOLD)).match(LANGUAGE);
  return told ? told.text() : navigator.language;
}
