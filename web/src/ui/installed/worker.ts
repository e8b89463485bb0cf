// The page's side of the service worker: has it installed, hears when a new version waits, and lets it take over when a person
// says so. What must not live here: what the worker keeps (src/worker).
import { signal } from '@preact/signals';
import { isFresh, SHELL } from '../../worker/shell';
import type { Said } from '../../worker/notice';
import { go } from '../route';
import { leaving } from '../talk/newer';

/** By scripts/worker.ts; while developing there is none. */
declare const WORKER_ON: boolean;

/** A new version is there and waits until nobody minds: `takeUpdate` loads it, what waits to be sent stays. */
export const updateWaits = signal(false);
/** The last push message that came while this page was open. */
export const lastPush = signal<{ test: boolean; at: number } | undefined>(undefined);
/** Why the browser would not have a worker here: `SecurityError` where its warning about the certificate was passed over. */
export const workerRefused = signal<string | undefined>(undefined);

/** Once is enough for a tab. */
const SAID = 'kinglet-trust-said';
const LOOK_MS = 60_000;
/** After so long a page is loaded anew as it is. */
const INSTALL_MS = 10_000;
let registration: ServiceWorkerRegistration | undefined;
let looked = 0;
let taking = false;

/** Only in a secure context, and not in every private window. */
export const workers = (): ServiceWorkerContainer | undefined => (typeof WORKER_ON !== 'undefined' && WORKER_ON ? navigator.serviceWorker : undefined);

/** The one script address that this page may ever make of a string. */
function address(): string {
  const { trustedTypes } = globalThis as { trustedTypes?: { createPolicy(name: string, rules: object): { createScriptURL(url: string): string } } };
  if (!trustedTypes) return '/sw.js';
  return trustedTypes.createPolicy('kinglet-worker', { createScriptURL: () => '/sw.js' }).createScriptURL('');
}

/** At once: a tap on a notification may lead here while the page is still being drawn. */
export function hearWorker(container: ServiceWorkerContainer): void {
  container.addEventListener('message', (event: MessageEvent<Said>) => heard(event.data));
  let first = !container.controller;
  container.addEventListener('controllerchange', () => {
    changed(first);
    first = false;
  });
}

export async function beginWorker(container: ServiceWorkerContainer): Promise<void> {
  if (isFresh(new URL(location.href))) {
    await forgetWorker(container);
    return;
  }
  registration = await registered(container);
  if (registration) void sayTrusted();
  registration?.addEventListener('updatefound', watch);
  watch();
}

/** A server whose policy does not let this page name the script is one without a worker, as is a browser that has none. */
async function registered(container: ServiceWorkerContainer): Promise<ServiceWorkerRegistration | undefined> {
  try {
    return await container.register(address(), { updateViaCache: 'none' });
  } catch (error) {
    workerRefused.value = (error as Error).name;
    return undefined;
  }
}

/** A browser that has a worker here came without a warning: the server leads it here from plain http from now on. */
async function sayTrusted(): Promise<void> {
  if (location.protocol !== 'https:' || sessionStorage.getItem(SAID)) return;
  sessionStorage.setItem(SAID, 'yes');
  try {
    await fetch('/trust/proven', { method: 'POST' });
  } catch {
    // The next visit says it.
  }
}

/** The first worker of all is nobody's update. */
function watch(): void {
  const coming = registration?.installing;
  coming?.addEventListener('statechange', waits);
  waits();
}

function waits(): void {
  if (registration?.waiting && navigator.serviceWorker.controller) updateWaits.value = true;
}

/** Another tab may have said so; who looks at this one says it here, too. */
function changed(first: boolean): void {
  if (taking || (!first && document.visibilityState === 'hidden')) {
    // Nothing to warn of: all that was written is kept.
    leaving.on = true;
    location.reload();
  } else if (!first) updateWaits.value = true;
}

/** Loads the new version. */
export async function takeUpdate(): Promise<void> {
  const waiting = registration?.waiting ?? (await fetched());
  if (!waiting) {
    location.reload();
    return;
  }
  taking = true;
  waiting.postMessage('take-over');
}

/** A page may know of a new version before the worker does. */
async function fetched(): Promise<ServiceWorker | null> {
  if (!registration) return null;
  await registration.update().catch(() => {});
  const { installing } = registration;
  if (installing) {
    await new Promise<void>((resolve) => {
      installing.addEventListener('statechange', () => resolve());
      setTimeout(resolve, INSTALL_MS);
    });
  }
  return registration.waiting;
}

/** The server may have been replaced while the line was gone. A line that comes and goes asks for it now and then. */
export function lookForUpdate(): void {
  if (!registration || Date.now() - looked < LOOK_MS) return;
  looked = Date.now();
  void registration.update().then(watch, () => {});
}

/** The way out for who has to get rid of all that is kept of the client: `/?fresh`. What people wrote is not touched. */
async function forgetWorker(container: ServiceWorkerContainer): Promise<void> {
  for (const one of await container.getRegistrations()) await one.unregister();
  for (const name of await caches.keys()) if (name.startsWith(SHELL)) await caches.delete(name);
  history.replaceState(null, '', location.pathname);
}

function heard(said: Said): void {
  if (said.is === 'go') go(said.path);
  else lastPush.value = { test: said.test, at: Date.now() };
}
