// What is being replied to, changed, chosen, passed on, looked for: what one part of the page wishes of another. What must not
// live here: how it is done (acts.ts).
import { signal } from '@preact/signals';
import type { Entry } from '../../engine/records';

/** Where one writes: a conversation, or a thread of it. */
export const placeOf = (conversation: string, thread?: number) => (thread ? `${conversation}/${thread}` : conversation);

/** By place, the message that is answered, or changed, by what one writes now. */
export const answering = signal<ReadonlyMap<string, { entry: Entry; edit: boolean }>>(new Map());
/** Messages chosen to be copied or passed on together. */
export const chosen = signal<{ conversation: string; seqs: ReadonlySet<number> } | undefined>(undefined);
/** What is to be passed on; a dialog asks to whom. */
export const passing = signal<Entry[] | undefined>(undefined);
/** A message whose earlier words are shown. */
export const tracing = signal<Entry | undefined>(undefined);
export const reporting = signal<Entry | undefined>(undefined);
/** What lies over the chat: looking everywhere, or in the conversation that is open; or the sheet of keys. */
export const finding = signal<'all' | 'here' | 'keys' | undefined>(undefined);
/** A word about what was done, for a moment. */
export const told = signal<{ text: string; n: number } | undefined>(undefined);

let words = 0;
export function tell(text: string): void {
  told.value = { text, n: ++words };
}

export function answer(place: string, what: { entry: Entry; edit: boolean } | undefined): void {
  // Every message looks at this, so it changes only if something does.
  if (!what && !answering.peek().has(place)) return;
  const now = new Map(answering.value);
  if (what) now.set(place, what);
  else now.delete(place);
  answering.value = now;
}
