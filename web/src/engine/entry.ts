// What later events make of a message, whether it is on this device's disk or only looked at. What must not live here: the
// database (log.ts), and what a page asks for.
import type { Event, ThreadSummary } from '../proto';
import type { Entry } from './records';

export function entryOf(event: Event): Entry {
  const entry: Entry = { conversation: event.conversation, seq: event.seq, event };
  if (event.kind !== 'message') return entry;
  if (event.erased || !event.body) entry.erased = true;
  else entry.body = event.body;
  return entry;
}

/** True if it changed the entry. May be given the same event again, and in any order: of two words about one thing the larger seq wins. */
export function annotated(entry: Entry, event: Event): boolean {
  if (entry.erased) return false;
  if (event.kind === 'recalled') erase(entry);
  else if (event.kind === 'edited') {
    if (!event.body || event.seq <= (entry.edited ?? 0)) return false;
    Object.assign(entry, { body: event.body, edited: event.seq });
  } else if (event.kind === 'reaction' && event.emoji) {
    const reactions = (entry.reactions ??= {});
    const users = (reactions[event.emoji] ??= {});
    if (event.seq <= Math.abs(users[event.by] ?? 0)) return false;
    users[event.by] = event.removed ? -event.seq : event.seq;
  } else return false;
  return true;
}

export function erase(entry: Entry): void {
  entry.erased = true;
  delete entry.body;
  delete entry.edited;
  delete entry.reactions;
  if (entry.event.kind === 'message') {
    const { body: _, ...event } = entry.event;
    entry.event = { ...event, erased: true };
  }
}

/** What a page says of a thread, and what a message of it says, in whatever order they come. */
export function threaded(entry: Entry, { replies, last_seq }: Omit<ThreadSummary, 'thread'>): boolean {
  const there = entry.thread ?? { replies: 0, last: 0 };
  if (replies <= there.replies && last_seq <= there.last) return false;
  entry.thread = { replies: Math.max(replies, there.replies), last: Math.max(last_seq, there.last) };
  return true;
}
