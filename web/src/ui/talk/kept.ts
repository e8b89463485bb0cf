// What did not change in a page that was read again. What must not live here: the reading.
import type { Entry } from '../../engine/records';

/** What did not change stays the same object, so that it is not drawn again. */
export function kept(before: readonly Entry[], now: Entry[]): Entry[] {
  const there = new Map(before.map((entry) => [entry.seq, entry]));
  return now.map((entry) => {
    const old = there.get(entry.seq);
    return old && same(old, entry) ? old : entry;
  });
}

function same(one: Entry, other: Entry): boolean {
  if (one === other) return true;
  const told = (entry: Entry) => {
    const { event: _, body: __, ...rest } = entry;
    return JSON.stringify(rest);
  };
  // A body changes by edits only, and then the seq of the edit does.
  return told(one) === told(other);
}
