// What an event does to the copy of a conversation: the last contiguous seq, tombstones, edits, reactions, what is unread.
// What must not live here: the network, and when what is asked for (sync.ts).
import type { Event, HistoryPage, ThreadSummary } from '../proto';
import { CACHE_STORES, type Cache } from './db';
import { annotated, entryOf, erase, isChange, threaded, threadIn } from './entry';
import type { ConversationRecord, Entry } from './records';

/** A newest page is taken instead of pulling all, if more than this is missing. */
export const FAR_BEHIND = 400;

type Fold = ReturnType<typeof fold>;

/** A transaction over the copy, and what it changed. */
function fold(cache: Cache) {
  const tx = cache.transaction(CACHE_STORES, 'readwrite');
  return {
    tx,
    conversations: tx.objectStore('conversations'),
    entries: tx.objectStore('entries'),
    changed: new Set<string>(),
  };
}

/** What became of events that came in. */
export interface Taken {
  /** Conversations that look different now. */
  changed: string[];
  /** Conversations with something to pull. */
  pull: string[];
  /** Conversations that were not known: what they are called has to be asked for. */
  fresh: string[];
  /** There is a conversation among them that was not known, or that one is in again. */
  begun: boolean;
  /** People whose profile is not known. */
  strangers: string[];
  /** Events that could not be applied yet. */
  aside: Event[];
  /** Client ids of one's own commands among them. */
  own: string[];
}

export function emptyRecord(id: string): ConversationRecord {
  return {
    id,
    unnamed: true,
    kind: 'group',
    role: 'member',
    members: 0,
    join: 'invitation',
    history: false,
    last_seq: 0,
    read_seq: 0,
    unread: 0,
    have: 0,
    from: 0,
    complete: false,
    count: 0,
    others_read: 0,
  };
}

/** Applies events in the order in which they came, all in one transaction. */
export async function take(cache: Cache, me: string, events: readonly Event[]): Promise<Taken> {
  const into = fold(cache);
  const taken: Taken = { changed: [], pull: [], fresh: [], begun: false, strangers: [], aside: [], own: [] };
  const pull = new Set<string>();
  const fresh = new Set<string>();
  for (const event of events) {
    const record = (await into.conversations.get(event.conversation)) ?? emptyRecord(event.conversation);
    const next = step(record, event, me);
    if (next === 'held') continue;
    if (record.unnamed && event.kind !== 'created') fresh.add(record.id);
    taken.begun ||= record.unnamed === true || record.gone === true;
    if (next === 'aside') {
      record.pull = Math.max(record.pull ?? 0, event.seq);
      pull.add(record.id);
      taken.aside.push(event);
    } else {
      if (record.have === 0) Object.assign(record, { from: event.seq, complete: event.seq === 1 });
      await apply(into, record, event, me);
      record.have = event.seq;
      if (record.pull !== undefined && record.pull <= event.seq) record.pull = undefined;
      if (event.by === me) taken.own.push(event.client_id);
    }
    into.changed.add(record.id);
    await into.conversations.put(record);
  }
  await into.tx.done;
  taken.changed = [...into.changed];
  taken.pull = [...pull];
  taken.fresh = [...fresh];
  taken.strangers = await strangers(cache, events);
  return taken;
}

/** The server itself, in what it erases. */
const SERVER = 'u0000000000';

/** Those whom events name and of whom no profile is held: somebody who came to the server just now. */
async function strangers(cache: Cache, events: readonly Event[]): Promise<string[]> {
  const named = events.flatMap((event) => [
    event.by,
    ...(event.kind === 'joined' ? event.users : []),
    ...(event.kind === 'created' ? event.members : []),
    ...(event.kind === 'message' ? (event.mentions ?? []) : []),
  ]);
  const unknown: string[] = [];
  for (const user of new Set(named)) {
    if (user !== SERVER && (await cache.getKey('users', user)) === undefined) unknown.push(user);
  }
  return unknown;
}

function step(record: ConversationRecord, event: Event, me: string): 'held' | 'next' | 'aside' {
  if (event.seq <= record.have) return 'held';
  if (endsMembership(event, me)) return 'next';
  // A conversation that is not held begins with its newest page, unless this is its very first event.
  return event.seq === record.have + 1 ? 'next' : 'aside';
}

export function endsMembership(event: Event, me: string): boolean {
  switch (event.kind) {
    case 'left':
      return event.by === me;
    case 'removed':
    case 'banned':
      return event.user === me;
    case 'dissolved':
      return true;
    default:
      return false;
  }
}

/**
 * Nothing more to pull, if what was to be pulled when the page was asked for is in it. An event that came while the page was
 * under way lies beyond, and is asked for next.
 */
function pulled(record: ConversationRecord, page: HistoryPage, asked: number): void {
  const upto = page.more ? record.have : Math.max(record.have, asked);
  if ((record.pull ?? 0) <= upto) record.pull = undefined;
}

/**
 * Up to its last event a page has all that may be seen. Not up to its `last_seq`: an event may get its place after the page
 * was read and before its `last_seq` was, and would never be asked for again. The price is a page more now and then.
 */
function lastHeld(record: ConversationRecord, page: HistoryPage): number {
  return Math.max(record.have, page.events.at(-1)?.seq ?? 0);
}

/** A page of `history` that was asked for with `after: have`, when there was to pull up to `asked`. */
export async function takePage(cache: Cache, me: string, conversation: string, page: HistoryPage, asked: number): Promise<Taken> {
  const into = fold(cache);
  const record = (await into.conversations.get(conversation)) ?? emptyRecord(conversation);
  const own: string[] = [];
  if (record.have === 0) {
    record.from = page.events[0]?.seq ?? 0;
    record.complete = true;
  }
  for (const event of page.events) {
    if (event.seq <= record.have) continue;
    await apply(into, record, event, me);
    if (event.by === me) own.push(event.client_id);
  }
  await notes(into, record.id, page);
  record.have = lastHeld(record, page);
  pulled(record, page, asked);
  await into.conversations.put(record);
  await into.tx.done;
  return { changed: [conversation], pull: record.pull === undefined ? [] : [conversation], fresh: [], begun: false, strangers: await strangers(cache, page.events), aside: [], own };
}

/** The newest page, when nothing or too old a stretch is held: what lies before it is not held any more. */
export async function takeNewest(cache: Cache, me: string, conversation: string, page: HistoryPage, asked: number): Promise<Taken> {
  const into = fold(cache);
  const record = (await into.conversations.get(conversation)) ?? emptyRecord(conversation);
  await into.entries.delete(IDBKeyRange.bound([conversation, 0], [conversation, Number.MAX_SAFE_INTEGER]));
  Object.assign(record, { have: 0, newest: undefined });
  for (const event of page.events) await apply(into, record, event, me);
  await notes(into, record.id, page);
  record.have = lastHeld(record, page);
  record.from = page.events[0]?.seq ?? 0;
  record.complete = !page.more;
  pulled(record, { ...page, more: false }, asked);
  await into.conversations.put(record);
  await into.tx.done;
  const own = page.events.filter((event) => event.by === me).map((event) => event.client_id);
  return { changed: [conversation], pull: record.pull === undefined ? [] : [conversation], fresh: [], begun: false, strangers: await strangers(cache, page.events), aside: [], own };
}

/** A page that was asked for with `before: from`. */
export async function takeOlder(cache: Cache, conversation: string, before: number, page: HistoryPage): Promise<boolean> {
  const into = fold(cache);
  const record = await into.conversations.get(conversation);
  // Something else moved the stretch meanwhile: this page no longer ends where it begins.
  if (!record || record.from !== before) {
    await into.tx.done;
    return false;
  }
  for (const event of page.events) await write(into, event);
  await notes(into, conversation, page);
  record.from = page.events[0]?.seq ?? record.from;
  record.complete = !page.more;
  await into.conversations.put(record);
  await into.tx.done;
  return true;
}

async function apply(into: Fold, record: ConversationRecord, event: Event, me: string): Promise<void> {
  await write(into, event);
  unreadBy(record, event, me);
  settle(record, event, me);
  record.count = Math.max(record.count, event.count);
  record.last_seq = Math.max(record.last_seq, event.seq);
  await keepNewest(into, record, event);
}

/** Puts the event, or what it changes, into the entries. */
async function write(into: Fold, event: Event): Promise<void> {
  if (isChange(event)) return annotate(into, event.conversation, event);
  await into.entries.put(entryOf(event));
  const summary = threadIn(event);
  if (summary) await thread(into, event.conversation, summary);
}

/** What a page says beside its events. */
async function notes(into: Fold, conversation: string, page: HistoryPage): Promise<void> {
  for (const event of page.annotations ?? []) await annotate(into, conversation, event);
  for (const summary of page.threads ?? []) await thread(into, conversation, summary);
}

async function annotate(into: Fold, conversation: string, event: Event): Promise<void> {
  if (event.kind === 'erased') return eraseUpTo(into, conversation, event.upto, event.user ?? undefined);
  if (!('target' in event)) return;
  const entry = await into.entries.get([conversation, event.target]);
  if (entry && annotated(entry, event)) await into.entries.put(entry);
}

/** How many messages hang on it is kept with the message on which they hang. */
async function thread(into: Fold, conversation: string, summary: ThreadSummary): Promise<void> {
  const root = await into.entries.get([conversation, summary.thread]);
  if (root && threaded(root, summary)) await into.entries.put(root);
}

async function eraseUpTo(into: Fold, conversation: string, upto: number, user?: string): Promise<void> {
  let cursor = await into.entries.openCursor(IDBKeyRange.bound([conversation, 0], [conversation, upto]));
  while (cursor) {
    const entry = cursor.value;
    if (entry.event.kind === 'message') {
      if (user === undefined || entry.event.by === user) erase(entry);
      else for (const users of Object.values(entry.reactions ?? {})) delete users[user];
      await cursor.update(entry);
    }
    cursor = await cursor.continue();
  }
}

/** Adds what was not counted by the server's last word about this conversation. */
function unreadBy(record: ConversationRecord, event: Event, me: string): void {
  if (event.kind !== 'message' || event.seq <= record.last_seq) return;
  const counts = event.count > record.count;
  if (event.by === me) {
    if (counts) readUpTo(record, event.seq, 0);
  } else if (counts) {
    record.unread += 1;
    const all = event.mention_all === true;
    if (all || event.mentions?.includes(me)) record.unread_mentions = (record.unread_mentions ?? 0) + 1;
  }
}

export function readUpTo(record: ConversationRecord, seq: number, unread: number): void {
  if (seq < record.read_seq) return;
  record.read_seq = seq;
  record.unread = unread;
  if (unread === 0) record.unread_mentions = undefined;
}

const ROSTER = new Set<Event['kind']>(['created', 'joined', 'left', 'removed', 'banned', 'unbanned', 'role', 'transferred', 'muted', 'unmuted', 'nickname', 'join_requested', 'join_declined']);
const PINS = new Set<Event['kind']>(['pinned', 'unpinned', 'recalled', 'erased']);

/** The conversation's own state, as far as the list shows it. */
function settle(record: ConversationRecord, event: Event, me: string): void {
  switch (event.kind) {
    case 'created':
      Object.assign(record, { kind: event.conversation_kind, title: event.title, join: event.join, history: event.history });
      record.members = event.members.length + 1;
      record.unnamed = undefined;
      record.role = event.by === me ? 'owner' : record.role;
      break;
    case 'updated':
      for (const key of ['title', 'join', 'history', 'mute_all', 'all_mentions', 'members_pin', 'read_lists'] as const) {
        const value = event[key];
        if (value !== undefined && value !== null) Object.assign(record, { [key]: value });
      }
      break;
    case 'announced':
      record.announcement = event.text ?? undefined;
      break;
    case 'joined':
      record.members += event.users.length;
      if (event.users.includes(me)) record.gone = undefined;
      break;
    case 'role':
      if (event.user === me) record.role = event.role;
      break;
    case 'transferred':
      if (event.user === me) record.role = 'owner';
      else if (event.by === me) record.role = 'admin';
      break;
    case 'left':
    case 'removed':
      record.members = Math.max(0, record.members - 1);
      break;
    default:
  }
  if (ROSTER.has(event.kind)) record.roster = event.seq;
  if (PINS.has(event.kind)) record.pins = event.seq;
  if (event.kind === 'message' && event.thread) record.threads = event.seq;
  if (endsMembership(event, me)) Object.assign(record, { gone: true, pull: undefined, unread: 0 });
}

async function keepNewest(into: Fold, record: ConversationRecord, event: Event): Promise<void> {
  if (event.kind === 'message' && event.thread && !event.also_send) return;
  const target = event.kind === 'edited' || event.kind === 'recalled' ? event.target : event.seq;
  const about = event.kind === 'message' || target === record.newest?.seq || event.kind === 'erased';
  const seq = event.kind === 'erased' ? record.newest?.seq : target;
  if (!about || seq === undefined) return;
  const entry = await into.entries.get([record.id, seq]);
  if (!entry) return;
  const newest = { seq, by: entry.event.by, ts: entry.event.ts, kind: entry.body?.kind ?? 'text', ...said(entry) };
  record.newest = entry.erased ? { ...newest, erased: true } : newest;
}

/** For the list: what it says, and what a file is called. */
function said({ body }: Entry): { text: string; name?: string } {
  if (!body || body.kind === 'opaque') return { text: '' };
  if (body.kind === 'text') return { text: body.text.slice(0, 200) };
  return { text: (body.caption ?? '').slice(0, 200), name: body.name };
}

/** The `count` at a read marker: only messages raise it, so it is that of the nearest entry before. */
export async function countAt(cache: Cache, conversation: string, seq: number): Promise<number | undefined> {
  const range = IDBKeyRange.bound([conversation, 0], [conversation, seq]);
  const cursor = await cache.transaction('entries').store.openCursor(range, 'prev');
  return cursor?.value.event.count;
}

/** The newest entries before a seq, ascending. */
export async function readBack(cache: Cache, conversation: string, before: number, limit: number): Promise<Entry[]> {
  const range = IDBKeyRange.bound([conversation, 0], [conversation, before], false, true);
  let cursor = await cache.transaction('entries').store.openCursor(range, 'prev');
  const found: Entry[] = [];
  while (cursor && found.length < limit) {
    found.push(cursor.value);
    cursor = await cursor.continue();
  }
  return found.reverse();
}

/** The oldest entries after a seq, ascending. */
export function readOn(cache: Cache, conversation: string, after: number, limit: number): Promise<Entry[]> {
  const range = IDBKeyRange.bound([conversation, after], [conversation, Number.MAX_SAFE_INTEGER], true);
  return cache.getAll('entries', range, limit);
}
