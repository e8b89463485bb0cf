// A stretch of a conversation that is not held here, only looked at: where one jumps to. What must not live here: the copy
// (log.ts), and when one jumps.
import type { Reply } from '../proto';
import { folded } from './entry';
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
  return { entries: folded([...page.events, ...(page.annotations ?? [])], page.threads), more: page.more };
}
