// Files from the server as addresses that an image or a player takes: fetched with the token, a few at a time, kept while
// they are shown and a little longer. What must not live here: what is drawn with them.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { RefObject } from 'preact';
import { FileRoutes } from '../../engine/fileroutes';
import { Refused } from '../../engine/refusal';
import { engine, line } from '../state';

let made: FileRoutes | undefined;
export const routes = (): FileRoutes => (made ??= new FileRoutes(engine().api));

/** The server gives eight at a time to one person, on all devices. */
const AT_ONCE = 4;
/** Kept though nobody shows them. */
const SPARE_BYTES = 48 * 1024 * 1024;
const TRIES = 6;

interface Kept {
  url: string;
  bytes: number;
  uses: number;
}

/** In the order of their last use. */
const kept = new Map<string, Kept>();
const coming = new Map<string, Promise<Kept>>();
const queue: (() => void)[] = [];
let busy = 0;

const keyOf = (blob: string, small: boolean) => (small ? `${blob}/small` : blob);

function keep(key: string, blob: Blob): Kept {
  const there = kept.get(key);
  if (there) return there;
  const one = { url: URL.createObjectURL(blob), bytes: blob.size, uses: 0 };
  kept.set(key, one);
  tidy();
  return one;
}

function tidy(): void {
  let spare = 0;
  for (const one of kept.values()) if (!one.uses) spare += one.bytes;
  for (const [key, one] of kept) {
    if (spare <= SPARE_BYTES) return;
    if (one.uses) continue;
    spare -= one.bytes;
    kept.delete(key);
    URL.revokeObjectURL(one.url);
  }
}

/** What this device sent itself need not come back. */
export function seed(blob: string, bytes: Blob): void {
  for (const small of [true, false]) keep(keyOf(blob, small), bytes);
}

function turn(): Promise<void> {
  if (busy < AT_ONCE) {
    busy += 1;
    return Promise.resolve();
  }
  // What one looks at now before what one has scrolled past.
  return new Promise((resolve) => queue.unshift(resolve));
}

function over(): void {
  const next = queue.shift();
  if (next) next();
  else busy -= 1;
}

/** Asks again while the server says "later". */
export async function fetched(blob: string, small = false, heard?: (bytes: number) => void, stop?: AbortSignal): Promise<Blob> {
  await turn();
  try {
    for (let tries = 1; ; tries += 1) {
      try {
        return await routes().file(blob, small, heard, stop);
      } catch (error) {
        if (!(error instanceof Refused) || error.retryAfter === undefined || tries >= TRIES) throw error;
        const wait = error.retryAfter * tries;
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  } finally {
    over();
  }
}

function get(blob: string, small: boolean): Promise<Kept> {
  const key = keyOf(blob, small);
  const there = kept.get(key);
  if (there) {
    kept.delete(key);
    kept.set(key, there);
    return Promise.resolve(there);
  }
  const now = coming.get(key) ?? fetched(blob, small).then((bytes) => keep(key, bytes)).finally(() => coming.delete(key));
  coming.set(key, now);
  return now;
}

/** The address of a file, once it is `wanted` and here. Tried again when the line comes back. */
export function useMedia(blob: string, small: boolean, wanted = true): { url: string | undefined; wrong: unknown } {
  const [state, setState] = useState<{ key: string; url?: string; wrong?: unknown }>({ key: '' });
  const key = keyOf(blob, small);
  const isThere = line.value === 'online' || line.value === 'fallback';
  const has = state.key === key && state.url !== undefined;
  useEffect(() => {
    if (!wanted || !blob || (has && state.url)) return;
    let gone = false;
    get(blob, small)
      .then(({ url }) => !gone && setState({ key, url }))
      .catch((wrong: unknown) => !gone && setState({ key, wrong }));
    return () => {
      gone = true;
    };
  }, [key, wanted, isThere]);
  useEffect(() => {
    const one = has ? kept.get(key) : undefined;
    if (!one) return;
    one.uses += 1;
    return () => {
      one.uses -= 1;
      tidy();
    };
  }, [key, has]);
  return state.key === key ? { url: state.url, wrong: state.wrong } : { url: undefined, wrong: undefined };
}

/** True once it is, or was, near what one looks at. */
export function useNear(): [RefObject<HTMLElement>, boolean] {
  const box = useRef<HTMLElement>(null);
  const [near, setNear] = useState(typeof IntersectionObserver === 'undefined');
  useEffect(() => {
    if (near || !box.current) return;
    const seen = new IntersectionObserver((all) => all.some((one) => one.isIntersecting) && setNear(true), { rootMargin: '600px' });
    seen.observe(box.current);
    return () => seen.disconnect();
  }, []);
  return [box as RefObject<HTMLElement>, near];
}

/** An address for bytes that are on this device already. */
export function useOwn(bytes: Blob | undefined): string | undefined {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    if (!bytes) return;
    const made = URL.createObjectURL(bytes);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [bytes]);
  return url;
}

/** Hands bytes to the browser to save. */
export function save(bytes: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(bytes);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  // The browser has begun to save it by then; it has no word for when it is done.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
