// The service worker: keeps the client's own files, so that it opens at once and without a network, and shows push messages.
// What must not live here: what is kept (shell.ts) and what a push message says (push.ts).
//
// A new one waits until a page says so (ui/worker.ts) or none is open: nothing changes under one's hands.
import type { Told } from './notice';
import { clicked, pushed, told } from './push';
import { isPage, named, PAGE, SHELL, stale } from './shell';

declare const self: ServiceWorkerGlobalScope;
/** By scripts/worker.ts: every file of the build, and a name for all of them together. */
declare const FILES: readonly string[];
declare const VERSION: string;

const CURRENT = `${SHELL}${VERSION}`;
const files: ReadonlySet<string> = new Set(FILES);

/** All or nothing. A page of another version, from a server that was replaced meanwhile, is none of this one's. */
async function fill(): Promise<void> {
  const cache = await caches.open(CURRENT);
  const page = await fetch(PAGE, { cache: 'no-cache' });
  const text = await page.clone().text();
  const foreign = named(text).filter((path) => !files.has(path));
  if (!page.ok || page.redirected || named(text).length === 0 || foreign.length > 0) throw new Error(`the page is not of this version: ${foreign}`);
  await cache.put(PAGE, page);
  await cache.addAll(FILES);
}

async function settle(): Promise<void> {
  for (const name of stale(await caches.keys(), CURRENT)) await caches.delete(name);
  await self.clients.claim();
}

/** What the browser threw away is fetched again, for now. */
async function kept(path: string, request: Request): Promise<Response> {
  const shell = await caches.open(CURRENT);
  return (await shell.match(path)) ?? (await caches.match(path)) ?? fetch(request);
}

self.addEventListener('install', (event) => event.waitUntil(fill()));
self.addEventListener('activate', (event) => event.waitUntil(settle()));
self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin) return;
  if (request.mode === 'navigate') {
    if (isPage(url)) event.respondWith(kept(PAGE, request));
  } else if (files.has(url.pathname) || url.pathname.startsWith('/assets/')) {
    event.respondWith(kept(url.pathname, request));
  }
});
self.addEventListener('message', (event) => {
  const said = event.data as 'take-over' | Told;
  if (said === 'take-over') void self.skipWaiting();
  else if (said.is === 'tell') event.waitUntil(told(said));
});
self.addEventListener('push', (event) => event.waitUntil(pushed(event.data?.text() ?? '')));
self.addEventListener('notificationclick', (event) => event.waitUntil(clicked(event.notification)));
