// What the pages show, as signals: read from the engine, and read again when it says that something changed. What must not
// live here: anything drawn.
import { computed, signal } from '@preact/signals';
import { Engine } from '../engine/engine';
import type { ConversationRecord, OutboxRow, Session, UserRecord } from '../engine/records';
import type { Undone } from '../engine/settings';
import type { Kept } from '../proto';
import type { Changed } from '../engine/tabs';
import type { Line } from '../engine/transport';
import { words } from '../i18n';
import { keepDrafts } from './talk/drafts';
import { keepHere } from './talk/here';
import { leaving, watchVersion } from './talk/newer';
import { keepDays } from './talk/today';

let opened: Engine | undefined;
export const session = signal<Session | undefined>(undefined);
export const line = signal<Line>('connecting');
export const conversations = signal<ReadonlyMap<string, ConversationRecord>>(new Map());
export const users = signal<ReadonlyMap<string, UserRecord>>(new Map());
export const outbox = signal<readonly OutboxRow[]>([]);
/** How many bytes of a waiting message's file are up, by its client id. */
export const progress = signal<ReadonlyMap<string, number>>(new Map());
/** Raised for a conversation whose entries may look different. */
export const touched = signal<ReadonlyMap<string, number>>(new Map());
/** Who writes where, and until when that is believed. */
export const typing = signal<ReadonlyMap<string, { user: string; until: number }>>(new Map());
/** What the server said of one's own settings, by what they are about (settingId); cleared ones have no value. */
export const told = signal<ReadonlyMap<string, Kept>>(new Map());
/** Those that are set. */
export const settings = computed<ReadonlyMap<string, Kept>>(() => new Map([...told.value].filter(([, { value }]) => value !== undefined && value !== null && value !== false)));
/** What one wished and the server refused when nobody waited for the answer. */
export const undone = signal<readonly Undone[]>([]);
/** Those who are here now. */
export const online = signal<ReadonlySet<string>>(new Set());
/** What was missed has come: what is not known now is not there, or not for oneself. */
export const settled = signal(false);
export const outdated = signal(false);
export const wasSignedOut = signal(false);

const TYPING_MS = 10_000;

export function engine(): Engine {
  if (!opened) throw new Error('the engine is not open yet');
  return opened;
}

export async function start(): Promise<void> {
  const secure = location.protocol === 'https:' ? 'wss' : 'ws';
  opened = await Engine.open({
    socketUrl: `${secure}://${location.host}/ws`,
    locks: navigator.locks,
    changed: (changed) => void heard(changed),
    outdated: () => {
      outdated.value = true;
      leaving.on = true;
      location.reload();
    },
  });
  await readAll();
  const wake = () => document.visibilityState === 'visible' && engine().wake();
  addEventListener('online', wake);
  addEventListener('pageshow', wake);
  addEventListener('pagehide', () => engine().away());
  document.addEventListener('visibilitychange', wake);
  addEventListener('beforeunload', (event) => {
    if (!leaving.on && outbox.value.some((row) => row.state === 'waiting')) event.preventDefault();
  });
  keepHere();
  keepDays();
  keepDrafts();
  watchVersion();
}

async function readAll(): Promise<void> {
  const all = await Promise.all([engine().conversations(), engine().users(), engine().outbox()]);
  conversations.value = new Map(all[0].map((record) => [record.id, record]));
  users.value = new Map(all[1].map((user) => [user.user, user]));
  outbox.value = all[2];
  session.value = engine().session;
  settled.value = engine().settled;
  await readSettings();
}

async function readSettings(): Promise<void> {
  const [all, refused] = await Promise.all([engine().settings(), engine().undone()]);
  told.value = new Map(all.map(({ id, kept }) => [id, kept]));
  if (refused.length || undone.value.length) undone.value = refused;
}

async function heard(changed: Changed): Promise<void> {
  if (changed.line) line.value = changed.line;
  if (changed.line === 'signed-out') wasSignedOut.value = true;
  if (!opened) return;
  // Shown in the same moment; what is on the disk is read when it is there.
  if (changed.writing) outbox.value = [...outbox.value, changed.writing];
  if (changed.session) await readAll();
  if (changed.progress) progress.value = new Map(progress.value).set(changed.progress.client_id, changed.progress.sent);
  if (changed.users) users.value = new Map((await engine().users()).map((user) => [user.user, user]));
  if (changed.settings) await readSettings();
  if (changed.online) online.value = new Set(changed.online);
  if (changed.settled !== undefined) {
    // What was missed of one's own settings is known before it is said that nothing is missing.
    if (changed.settled) await readSettings();
    settled.value = engine().settled;
  }
  if (changed.outbox) outbox.value = await engine().outbox();
  if (changed.conversations) await reread(changed.conversations);
  if (changed.notice?.type === 'typing') {
    const { conversation, user, on } = changed.notice;
    const now = new Map(typing.value);
    if (on) now.set(conversation, { user, until: Date.now() + TYPING_MS });
    else now.delete(conversation);
    typing.value = now;
    if (on) setTimeout(forgetTyping, TYPING_MS + 50);
  }
}

function stopped(conversation: string, user: string): void {
  if (typing.value.get(conversation)?.user !== user) return;
  const now = new Map(typing.value);
  now.delete(conversation);
  typing.value = now;
}

function forgetTyping(): void {
  typing.value = new Map([...typing.value].filter(([, { until }]) => until > Date.now()));
}

async function reread(ids: readonly string[]): Promise<void> {
  const records = await Promise.all(ids.map((id) => engine().conversation(id)));
  const now = new Map(conversations.value);
  const rung = new Map(touched.value);
  ids.forEach((id, at) => {
    const record = records[at];
    // Who has said something has stopped writing.
    if (record?.newest && record.newest.seq > (now.get(id)?.newest?.seq ?? 0)) stopped(id, record.newest.by);
    if (record) now.set(id, record);
    else now.delete(id);
    rung.set(id, (rung.get(id) ?? 0) + 1);
  });
  conversations.value = now;
  touched.value = rung;
}

export const me = computed(() => session.value?.user ?? '');

/** Those that are known by name: what one pinned, then the most recently used first. */
export const listed = computed(() =>
  [...conversations.value.values()]
    .filter((record) => !record.unnamed && !record.gone)
    .sort(
      (one, other) =>
        Number(isSet('pinned', other.id)) - Number(isSet('pinned', one.id)) ||
        (other.newest?.ts ?? 0) - (one.newest?.ts ?? 0) ||
        (one.id < other.id ? -1 : 1),
    ),
);

/** What is muted or put away counts only where one is named. */
export const unreadTotal = computed(() =>
  listed.value.reduce((sum, { id, unread, unread_mentions }) => sum + (isQuiet(id) || isSet('archived', id) ? (unread_mentions ?? 0) : unread), 0),
);

export function isSet(key: 'pinned' | 'archived' | 'unread', conversation: string): boolean {
  return settings.value.has(`${key}:${conversation}`);
}

/** Who does not show what they have read does not see it of others. */
export const hidesReads = computed(() => settings.value.has('reads_unseen:'));

/** Nothing is notified from here; what is set for this conversation counts before what is set for all. */
export function isQuiet(conversation: string): boolean {
  const own = settings.value.get(`notify:${conversation}`);
  const notify = own?.key === 'notify' && lasts(own.value?.until) ? own : settings.value.get('notify:');
  return notify?.key === 'notify' && notify.value?.level === 'none' && lasts(notify.value.until);
}

const lasts = (until: number | null | undefined) => until === undefined || until === null || until > Date.now();

export function personName(user: string): string {
  const known = users.value.get(user);
  return known ? known.display_name || known.name : words.value.unknownPerson;
}

export function titleOf(record: ConversationRecord): string {
  if (record.kind !== 'direct' || !record.peer) return record.title || words.value.unknownPerson;
  return record.peer === me.value ? words.value.yourself(personName(record.peer)) : personName(record.peer);
}

export function directWith(user: string): ConversationRecord | undefined {
  return [...conversations.value.values()].find((record) => record.kind === 'direct' && record.peer === user);
}
