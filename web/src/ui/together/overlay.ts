// What was done to a message and is not confirmed yet, laid over what is held: honest about what waits. What must not live here:
// which commands there are (pending.ts), and elements.
import type { Entry, OutboxRow } from '../../engine/records';
import type { Body } from '../../proto';

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
