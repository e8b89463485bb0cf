// What one did to messages and the server has not confirmed yet, laid over what is held: honest about what waits. What must not
// live here: elements, and what is sent when.
import { computed } from '@preact/signals';
import type { Entry, OutboxRow } from '../../engine/records';
import type { Body } from '../../proto';
import { outbox, settings } from '../state';

const ABOUT_MESSAGES = new Set(['edit', 'recall', 'react']);
const NONE: ReadonlyMap<string, OutboxRow[]> = new Map();

/** By message what is under way about it. The same map as long as there is nothing, so that nothing is drawn anew. */
export const pending = computed<ReadonlyMap<string, OutboxRow[]>>(() => {
  const rows = outbox.value.filter((row) => ABOUT_MESSAGES.has(row.change.type) && row.state !== 'failed');
  if (!rows.length) return NONE;
  const by = new Map<string, OutboxRow[]>();
  for (const row of rows) {
    const key = `${String(row.change.conversation)}/${String(row.change.target)}`;
    by.set(key, [...(by.get(key) ?? []), row]);
  }
  return by;
});

/** Messages about which one has set something; the same set as long as nothing changed. */
function marked(key: 'hidden' | 'saved') {
  let before: ReadonlySet<string> = new Set();
  return computed(() => {
    const now = new Set([...settings.value.values()].flatMap((one) => (one.key === key ? [`${one.conversation}/${one.seq}`] : [])));
    if (now.size !== before.size || [...now].some((one) => !before.has(one))) before = now;
    return before;
  });
}
/** Deleted for oneself. */
export const hidden = marked('hidden');
export const saved = marked('saved');

export interface Shown {
  entry: Entry;
  /** On its way: not yet on the server's disk. */
  waits: boolean;
  /** Taken back, but not for good yet. */
  held?: OutboxRow;
}

export function overlaid(entry: Entry, rows: readonly OutboxRow[] | undefined, me: string): Shown {
  if (!rows || entry.erased) return { entry, waits: false };
  return rows.reduce<Shown>(
    (shown, row) => {
      const waits = shown.waits || row.state === 'waiting';
      if (row.change.type === 'recall') {
        const { body: _, reactions: __, edited: ___, ...rest } = shown.entry;
        return { ...shown, waits, entry: { ...rest, erased: true }, ...(row.state === 'held' ? { held: row } : {}) };
      }
      if (row.change.type === 'edit') return { ...shown, waits, entry: { ...shown.entry, body: row.change.body as Body, edited: entry.edited ?? 0 } };
      return { ...shown, waits, entry: reacted(shown.entry, String(row.change.emoji), me, row.change.remove !== true) };
    },
    { entry, waits: false },
  );
}

function reacted(entry: Entry, emoji: string, me: string, on: boolean): Entry {
  const reactions = entry.reactions ?? {};
  const seq = Number.MAX_SAFE_INTEGER;
  return { ...entry, reactions: { ...reactions, [emoji]: { ...reactions[emoji], [me]: on ? seq : -seq } } };
}

/** Whether one has this reaction there, whatever waits included. */
export function hasReacted(entry: Entry, emoji: string, me: string): boolean {
  return (entry.reactions?.[emoji]?.[me] ?? 0) > 0;
}
