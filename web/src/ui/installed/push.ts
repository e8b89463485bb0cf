// Being told of messages on this device: by this page while it is open, and by a push service while it is not, if the operator
// switched that on. What must not live here: what is drawn (device.tsx), what a message becomes (worker/notice.ts).
import type { Api } from '../../engine/api';
import { Refused } from '../../engine/refusal';
import type { PushInfo, PushSubscription as Subscribed, PushTested } from '../../proto';
import { engine } from '../state';
import { TELL } from './begin';
import { isApplePhone, isInstalled } from './moment';
import { workers } from './worker';

/** What this browser lets one have. */
export type Ability = 'insecure' | 'install-first' | 'absent' | 'denied' | 'off' | 'on';
/** `text`: with names and what was written. */
export type Telling = 'off' | 'on' | 'text';

const PUSH = '/api/v1/push';
/** The server waits for the push service for 15 seconds. */
const TEST_MS = 25_000;

export const telling = (): Telling => (localStorage.getItem(TELL) as Telling | null) ?? 'off';

export function ability(): Ability {
  if (!isSecureContext) return 'insecure';
  if (!('Notification' in globalThis) || !workers()) return isApplePhone() && !isInstalled() ? 'install-first' : 'absent';
  if (Notification.permission === 'denied') return 'denied';
  return Notification.permission === 'granted' && telling() !== 'off' ? 'on' : 'off';
}

const api = (): Api => engine().api;
export const info = (): Promise<PushInfo> => api().call('GET', PUSH);
export const test = (): Promise<PushTested> => api().call('POST', `${PUSH}/test`, undefined, undefined, TEST_MS);

/** Whether push messages reach this device; undefined if they do not. */
export async function subscribed(): Promise<Subscribed | undefined> {
  try {
    return await api().call<Subscribed>('GET', `${PUSH}/subscription`);
  } catch (error) {
    if (error instanceof Refused) return undefined;
    throw error;
  }
}

/** The browser's question comes only after a tap. False if the answer was no. */
export async function allow(): Promise<boolean> {
  return (await Notification.requestPermission()) === 'granted';
}

export function tell(how: Telling): void {
  if (how === 'off') localStorage.removeItem(TELL);
  else localStorage.setItem(TELL, how);
}

/** Subscribes with the browser's push service, and tells the server. The same again changes nothing. */
export async function subscribe(key: string, text: boolean): Promise<void> {
  const { pushManager } = await registration();
  const wanted = bytes(key);
  const there = await pushManager.getSubscription();
  const old = there?.options.applicationServerKey;
  // A server that lost its data has another key, by which the old address takes nothing.
  if (there && old && !same(new Uint8Array(old), wanted)) await there.unsubscribe();
  const subscription = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: wanted });
  const { endpoint, keys } = subscription.toJSON();
  await api().call('PUT', `${PUSH}/subscription`, { endpoint, keys, text });
}

/** At each start, since an address may end without a word. */
export async function again(): Promise<void> {
  const how = telling();
  if (ability() !== 'on' || !(await (await registration()).pushManager?.getSubscription())) return;
  const { enabled, public_key, text_allowed } = await info();
  if (enabled && public_key) await subscribe(public_key, how === 'text' && text_allowed);
}

export async function unsubscribe(): Promise<void> {
  await api().call('DELETE', `${PUSH}/subscription`);
  await drop();
}

/** Who comes next to this browser is asked anew. */
export async function forget(): Promise<void> {
  tell('off');
  await drop();
  for (const one of await (await registration()).getNotifications()) one.close();
}

async function drop(): Promise<void> {
  await (await (await registration()).pushManager?.getSubscription())?.unsubscribe();
}

async function registration(): Promise<ServiceWorkerRegistration> {
  const container = workers();
  if (!container) throw new Error('there is no service worker here');
  return container.ready;
}

function bytes(base64url: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64url.replace(/-/g, '+').replace(/_/g, '/'));
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

const same = (one: Uint8Array, other: Uint8Array) => one.length === other.length && one.every((byte, at) => byte === other[at]);
