// Events as a server would give them. What must not live here: what a client makes of them.
import type { Event, HistoryPage } from '../../src/proto';
import { uuidv7 } from '../../src/engine/ids';

export const ME = 'u1ada7x3q9k';
export const BOB = 'u2b0b5mt8wz';
export const TALK = 'c5f9k2m8xqa';

type Rest = Partial<Omit<Event, 'kind'>> & Record<string, unknown>;

export function event(seq: number, kind: Event['kind'], rest: Rest = {}): Event {
  const common = { type: 'event', conversation: TALK, seq, count: 0, ts: 1_764_000_000_000 + seq, by: BOB, client_id: uuidv7() };
  return { ...common, kind, ...rest } as unknown as Event;
}

export function message(seq: number, text: string, count: number, rest: Rest = {}): Event {
  return event(seq, 'message', { count, body: { kind: 'text', text }, ...rest });
}

export function page(events: Event[], rest: Partial<HistoryPage> = {}): HistoryPage {
  return { conversation: TALK, events, more: false, last_seq: events.at(-1)?.seq ?? 0, ...rest } as HistoryPage;
}
