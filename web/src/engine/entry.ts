// What later events make of a message, whether it is on this device's disk or only looked at. What must not live here: the
// database (log.ts), and what a page asks for.
import type { Event, ThreadSummary } from '../proto';
import type { Entry } from './records';

/** Changes what was there before, and is nothing to show by itself. */
export function isChange({ kind }: Event): boolean {
  return kind === 'edited' || kind === 'recalled' || kind === 'reaction' || kind === 'erased';
}

/** What a message says of the thread it is in. */
export function threadIn(event: Event): ThreadSummary | undefined {
  if (event.kind !== 'message' || !event.thread || !event.thread_count) return undefined;
  return { thread: event.thread, replies: event.thread_count, last_seq: event.seq };
}

/** Events as they stand today, of which nothing is held: what changes them is among them. */
export function folded(events: readonly Event[], threads: readonly ThreadSummary[] = []): Entry[] {
  const entries = new Map<number, Entry>();
  for (const event of events) if (!isChange(event)) entries.set(event.seq, entryOf(event));
  for (const event of events) {
    const target = isChange(event) && 'target' in event ? entries.get(event.target) : undefined;
    if (target) annotated(target, event);
  }
  for (const summary of [...events.flatMap((event) => threadIn(event) ?? []), ...threads]) {
    const root = entries.get(summary.thread);
    if (root) threaded(root, summary);
  }
  return [...entries.values()].sort((one, other) => one.seq - other.seq);
}

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
