// The server's word about a conversation, laid over what is held of it. What must not live here: what events do (log.ts).
import type { ConversationInfo } from '../proto';
import type { ConversationRecord } from './records';

/** Unless events that came meanwhile know more. */
export function merged(record: ConversationRecord, info: ConversationInfo, mayPull: boolean): ConversationRecord {
  const { conversation: id, last_seq, read_seq, unread, unread_mentions, ...state } = info;
  const optional = { title: undefined, peer: undefined, mute_all: undefined, announcement: undefined, requests: undefined };
  const next: ConversationRecord = { ...record, ...optional, ...state, id, gone: undefined, unnamed: undefined };
  if (last_seq >= record.last_seq) Object.assign(next, { last_seq, unread, unread_mentions });
  if (read_seq < record.read_seq) Object.assign(next, { unread: record.unread, unread_mentions: record.unread_mentions });
  next.read_seq = Math.max(read_seq, record.read_seq);
  if ((mayPull || record.have === 0) && last_seq > record.have) next.pull = Math.max(last_seq, record.pull ?? 0);
  return next;
}
