// What is served instead of the service worker by a build that wants none (KINGLET_WEB_WORKER=off): it takes over at once,
// forgets what was kept, and goes. What must not live here: anything else.
import { SHELL } from './shell';

declare const self: ServiceWorkerGlobalScope;

async function leave(): Promise<void> {
  for (const name of await caches.keys()) if (name.startsWith(SHELL)) await caches.delete(name);
  await self.registration.unregister();
  // Not waited for: a page's request may itself wait until this is done.
  for (const client of await self.clients.matchAll({ type: 'window' })) client.navigate(client.url).catch(() => null);
}

self.addEventListener('install', () => void self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(leave()));
