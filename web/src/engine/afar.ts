// A stretch of a conversation that is not held here, only looked at: where one jumps to. What must not live here: the copy
// (log.ts), and when one jumps.
import type { Event, HistoryPage, Reply } from '../proto';
import { annotated, entryOf, threaded } from './entry';
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
    const target = isChange(event) && 'target' in event ? entries.get(event.target) : undefined;
    if (target) annotated(target, event);
    else if (!isChange(event)) entries.set(event.seq, entryOf(event));
  }
  for (const { thread, ...summary } of page.threads ?? []) {
    const root = entries.get(thread);
    if (root) threaded(root, summary);
  }
  return [...entries.values()].sort((one, other) => one.seq - other.seq);
}

/** Changes what was there before, and is nothing to show by itself. */
function isChange({ kind }: Event): boolean {
  return kind === 'edited' || kind === 'recalled' || kind === 'reaction' || kind === 'erased';
}
