// A stretch of a conversation that is not held here, only looked at: where one jumps to. What must not live here: the copy
// (log.ts), and when one jumps.
import type { Event, HistoryPage, Reply } from '../proto';
import type { Entry } from './records';
import { Lost } from './refusal';
import type { Ask } from './transport';

export interface Stretch {
  entries: Entry[];
  /** There is more in the direction that was asked. */
  more: boolean;
}

export async function afar(ask: (ask: Ask) => Promise<Reply>, conversation: string, where: { before: number } | { after: number }, limit: number): Promise<Stretch> {
  const page = await ask({ type: 'history', conversation, limit, ...where });
  if (page.type !== 'history') throw new Lost('the answer to history is none');
  return { entries: unfolded(page), more: page.more };
}

/** What the page says as it stands today. */
export function unfolded(page: HistoryPage): Entry[] {
  const entries = new Map<number, Entry>();
  for (const event of [...page.events, ...(page.annotations ?? [])]) {
    if (event.kind === 'edited' || event.kind === 'recalled' || event.kind === 'reaction') annotate(entries.get(event.target), event);
    else if (event.kind !== 'erased') entries.set(event.seq, entry(event));
  }
  return [...entries.values()].sort((one, other) => one.seq - other.seq);
}

function entry(event: Event): Entry {
  const plain: Entry = { conversation: event.conversation, seq: event.seq, event };
  if (event.kind !== 'message') return plain;
  return event.erased || !event.body ? { ...plain, erased: true } : { ...plain, body: event.body };
}

function annotate(to: Entry | undefined, event: Event): void {
  if (!to || to.erased) return;
  if (event.kind === 'recalled') {
    to.erased = true;
    delete to.body;
    delete to.reactions;
  } else if (event.kind === 'edited' && event.body) Object.assign(to, { body: event.body, edited: event.seq });
  else if (event.kind === 'reaction' && event.emoji) {
    const users = ((to.reactions ??= {})[event.emoji] ??= {});
    users[event.by] = event.removed ? -event.seq : event.seq;
  }
}
