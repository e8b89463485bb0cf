// What the pages show, as signals: read from the engine, and read again when it says that something changed. What must not
// live here: anything drawn.
import { computed, signal } from '@preact/signals';
import { Engine } from '../engine/engine';
import type { ConversationRecord, OutboxRow, Session, UserRecord } from '../engine/records';
import type { Changed } from '../engine/tabs';
import type { Line } from '../engine/transport';
import { words } from '../i18n';

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
      location.reload();
    },
  });
  await readAll();
  const wake = () => document.visibilityState === 'visible' && engine().wake();
  addEventListener('online', wake);
  addEventListener('pageshow', wake);
  document.addEventListener('visibilitychange', wake);
  addEventListener('beforeunload', (event) => {
    if (outbox.value.some((row) => row.state === 'waiting')) event.preventDefault();
  });
}

async function readAll(): Promise<void> {
  const all = await Promise.all([engine().conversations(), engine().users(), engine().outbox()]);
  conversations.value = new Map(all[0].map((record) => [record.id, record]));
  users.value = new Map(all[1].map((user) => [user.user, user]));
  outbox.value = all[2];
  session.value = engine().session;
}

async function heard(changed: Changed): Promise<void> {
  if (changed.line) line.value = changed.line;
  if (changed.line === 'signed-out') wasSignedOut.value = true;
  if (!opened) return;
  if (changed.session) await readAll();
  if (changed.progress) progress.value = new Map(progress.value).set(changed.progress.client_id, changed.progress.sent);
  if (changed.users) users.value = new Map((await engine().users()).map((user) => [user.user, user]));
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

/** Those that are known by name, the most recently used first. */
export const listed = computed(() =>
  [...conversations.value.values()]
    .filter((record) => !record.unnamed && !record.gone)
    .sort((one, other) => (other.newest?.ts ?? 0) - (one.newest?.ts ?? 0) || (one.id < other.id ? -1 : 1)),
);

export const unreadTotal = computed(() => listed.value.reduce((sum, record) => sum + record.unread, 0));

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
