// Reading lists of the server: as many pages as a filter needs, and who is in all of some. What must not live here: asking,
// drawing.
import type { AuditEntry, AuditPage, OwnedConversation } from '../../proto';

/** Rows shown, and how many are read for them at most: the server does not filter. */
const ROWS = 50;
export const READ = 200;
const READS = 10;

interface Found {
  entries: AuditEntry[];
  /** Where the next page begins, if there is one. */
  next: number | undefined;
}

/** Reads on until a page is full, or enough was looked through. */
export async function find(page: (before: number | undefined) => Promise<AuditPage>, before: number | undefined, fits: (entry: AuditEntry) => boolean): Promise<Found> {
  const entries: AuditEntry[] = [];
  let at = before;
  for (let reads = 0; reads < READS; reads += 1) {
    const { entries: read, more } = await page(at);
    for (const entry of read) {
      if (entries.length === ROWS) return { entries, next: at };
      at = entry.no;
      if (fits(entry)) entries.push(entry);
    }
    if (!more || !read.length) return { entries, next: undefined };
  }
  return { entries, next: at };
}

/** Those who are in each of the conversations. */
export function heirs(owned: readonly OwnedConversation[]): string[] {
  const [first, ...others] = owned.map((one) => one.candidates.map((candidate) => candidate.user));
  return (first ?? []).filter((user) => others.every((users) => users.includes(user)));
}
