// What the client keeps on disk. What must not live here: how it is read and written (db.ts), what changes it (log.ts).
import type { Body, Code, ConversationInfo, Event, Kept, ServerRole, UserInfo } from '../proto';
import type { FileKind } from './fileroutes';

export type UserRecord = UserInfo;

/** Who is signed in here. The device stays when the token goes. */
export interface Session {
  token: string;
  user: string;
  name: string;
  display_name: string;
  role: ServerRole;
}

/** A conversation and how much of its log is held: all that may be seen of `from..=have`. */
export interface ConversationRecord extends Omit<ConversationInfo, 'conversation'> {
  id: string;
  have: number;
  from: number;
  /** Known by an event only: what it is and is called has to be asked for. */
  unnamed?: boolean;
  /** Nothing that may be seen lies before `from`. */
  complete: boolean;
  /** Up to where there is still to pull. */
  pull?: number;
  /** The `count` of the newest event known. */
  count: number;
  /** How far others have read, as far as one was told. */
  others_read: number;
  /** Read while there was no line; to be told. */
  read_late?: number;
  /** The newest event that says who is in it, and what they are called and may do there. */
  roster?: number;
  /** The newest event that pinned or unpinned something, or took a message back. */
  pins?: number;
  /** The newest message in any of its threads. */
  threads?: number;
  /** One is no longer in it. */
  gone?: boolean;
  /** For the list: the newest message. */
  newest?: { seq: number; by: string; ts: number; text: string; kind: string; name?: string; erased?: boolean };
}

/** A setting of one's own, as the server last told it; a cleared one has no value. */
export interface SettingRecord {
  id: string;
  kept: Kept;
}

/** An event with what later events made of it. */
export interface Entry {
  conversation: string;
  seq: number;
  event: Event;
  /** What it says now. */
  body?: Body;
  /** The seq of the edit that says so. */
  edited?: number;
  erased?: boolean;
  /** The thread that hangs on it. */
  thread?: { replies: number; last: number };
  /** By emoji and user the seq of the newest word about it; negative when that took it away. */
  reactions?: Record<string, Record<string, number>>;
}

/** A command that changes something, before it is sent: everything but the frame's own `id`. */
export type Change = { type: string; client_id: string } & Record<string, unknown>;

/** A file to be sent: what this device knows of it. The server looks at the bytes itself. */
export interface NewFile {
  kind: FileKind;
  name: string;
  bytes: Blob;
  caption?: string;
  width?: number;
  height?: number;
  duration_ms?: number;
  /** Of a film, made here: the server looks into none. */
  thumbhash?: string;
}

/** What a message carries that is still on its way up; the bytes lie beside the outbox until the message is acked. */
export interface OutboxFile {
  /** The client id of the upload: at every try the same, so that it goes on where it stands. */
  upload: string;
  name: string;
  size: number;
  type: string;
  /** All of it is on the server's disk: the message may go. */
  up?: boolean;
  /** Why the server took none of it yet; it is tried again. */
  waits?: Code | undefined;
  /** The server had dropped it once before the message came. */
  again?: boolean;
}

export interface OutboxRow {
  /** The order in which they were written down. */
  n: number;
  client_id: string;
  user: string;
  /** What has to stay in order among itself: a conversation, or the person of a direct one. */
  lane: string;
  change: Change;
  created: number;
  /** `acked`: on the server's disk, and its event is on the way. `held`: it may still be taken back for a moment, and goes then. */
  state: 'waiting' | 'acked' | 'failed' | 'held';
  conversation?: string;
  seq?: number;
  file?: OutboxFile;
  error?: { code: Code | 'unreadable'; message: string; next: string };
}

/** What belongs to the copy as a whole. */
export interface CacheMeta {
  user?: string;
  epoch?: string;
  resume?: string;
}

/** Direct conversations may begin by their person's name, so that is their lane from the first message on. */
export function laneOf(conversation: Pick<ConversationRecord, 'id' | 'kind' | 'peer'>): string {
  return conversation.kind === 'direct' && conversation.peer ? laneTo(conversation.peer) : conversation.id;
}

export function laneTo(user: string): string {
  return `to:${user}`;
}

/** The lane of a command, and how it names where it goes. */
export function placed(to: ConversationRecord | { user: string } | 'new', client_id: string): [string, object] {
  if (to === 'new') return [`new:${client_id}`, {}];
  return 'user' in to ? [laneTo(to.user), { to: to.user }] : [laneOf(to), { conversation: to.id }];
}
