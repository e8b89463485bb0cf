// Messages that are only looked at: what a quote, a link or a search leads to, held on this device or not. What must not live
// here: what is held (log.ts), and what is shown.
import type { Event } from '../proto';
import type { Engine } from './engine';
import { folded } from './entry';
import type { Entry } from './records';
import { Lost } from './refusal';

const MOST_SEQS = 50;

/** Single messages: as they are held, else as the server has them; those that are missing are not to be seen. */
export async function some(engine: Engine, conversation: string, seqs: readonly number[]): Promise<Map<number, Entry>> {
  const found = await held(engine, conversation, seqs);
  const missing = seqs.filter((seq) => !found.has(seq));
  for (let at = 0; at < missing.length; at += MOST_SEQS) {
    const reply = await engine.ask({ type: 'events', conversation, seqs: missing.slice(at, at + MOST_SEQS) });
    if (reply.type !== 'events') throw new Lost('the answer to events is none');
    for (const entry of edited(reply.events, reply.edits ?? [])) found.set(entry.seq, entry);
  }
  return found;
}

export async function held(engine: Engine, conversation: string, seqs: readonly number[]): Promise<Map<number, Entry>> {
  const entries = await Promise.all(seqs.map((seq) => engine.entry(conversation, seq)));
  return new Map(entries.flatMap((entry) => (entry ? [[entry.seq, entry] as const] : [])));
}

/** Single events with their newest edits, as the server gives them. */
export const edited = (events: readonly Event[], edits: readonly Event[]): Entry[] => folded([...events, ...edits]);
