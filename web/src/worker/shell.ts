// Which of the server's addresses the worker answers from what it kept, and with what. What must not live here: events of
// the worker (worker.ts). No answer of the server about people or talk is ever kept: only the files of the build's list are.

export const SHELL = 'kinglet-shell-';
/** What the page told the worker, which cannot read what pages keep. */
export const TOLD = 'kinglet-told';
export const PAGE = '/';

/** Where the server speaks itself. */
const SERVERS_OWN = /^\/(api|ws|health|metrics|console|trust)(\/|$)/;

/** Any address that is no file and not the server's is the client's: it finds out itself what to show. */
export function isPage(url: URL): boolean {
  const last = url.pathname.slice(url.pathname.lastIndexOf('/') + 1);
  return !SERVERS_OWN.test(url.pathname) && !last.includes('.') && !isFresh(url);
}

/** The way past all that is kept, for who has to get rid of it. */
export function isFresh(url: URL): boolean {
  return url.searchParams.has('fresh');
}

/** What a page needs at once, by its own words. */
export function named(page: string): string[] {
  return Array.from(page.matchAll(/"(\/assets\/[^"]+)"/g), (match) => match[1]!);
}

/** The names of shells to delete: all but this one and the one before, whose pages may still be open. */
export function stale(names: readonly string[], current: string): string[] {
  const others = names.filter((name) => name.startsWith(SHELL) && name !== current);
  return others.slice(0, -1);
}
