// Whether the server has a newer client than this page. What must not live here: what is said about it.
import { effect, signal } from '@preact/signals';
import { line } from '../state';

/** `later`: the person has seen it. */
export const newer = signal<'no' | 'there' | 'later'>('no');
/** The page goes because the person wants it to: nothing to warn of, all of it is kept. */
export const leaving = { on: false };

const OFTEN_MS = 600_000;
const OURS = /\/assets\/[\w-]+-[\w-]{8}\.(?:js|css)/g;

/** What the page was made of when it came; parts that are fetched later come with other names. */
const made = parts(document.head.innerHTML);
let looked = Date.now();

function parts(html: string): string {
  return [...new Set(html.match(OURS) ?? [])].sort().join(' ');
}

/** The page is asked for anew, and what it is made of compared: each build has names of its own. */
async function look(): Promise<void> {
  looked = Date.now();
  const answer = await fetch('/', { cache: 'no-cache', credentials: 'omit' }).catch(() => undefined);
  if (!answer?.ok) return;
  const now = parts(await answer.text());
  if (made && now && now !== made) newer.value = 'there';
}

export function watchVersion(): void {
  let before = line.value;
  effect(() => {
    // A server that was away may have come back as another.
    const back = line.value === 'online' && before !== 'online';
    before = line.value;
    if (back) void look();
  });
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && Date.now() - looked > OFTEN_MS) void look();
  });
  // A part of this page is no longer there: the server has newer ones.
  addEventListener('vite:preloadError', () => {
    newer.value = 'there';
  });
}

let take = () => location.reload();

/** Where a worker keeps the page, a plain reload would show the old one again: then it does the change. */
export function reloadBy(way: () => void): void {
  take = way;
}

export function reload(): void {
  leaving.on = true;
  take();
}
