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

/** A body changes by edits only, and then the seq of the edit does; what is erased has no body. */
function same(one: Entry, other: Entry): boolean {
  if (one === other) return true;
  const { thread, reactions } = one;
  return (
    one.edited === other.edited &&
    one.erased === other.erased &&
    thread?.replies === other.thread?.replies &&
    thread?.last === other.thread?.last &&
    (reactions === other.reactions || JSON.stringify(reactions) === JSON.stringify(other.reactions))
  );
}
