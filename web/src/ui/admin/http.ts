// Asking the server from the pages of settings: JSON, bytes, and the refusal that comes with a list. What must not live here:
// what the answers are for.
import { Lost, Refused } from '../../engine/refusal';
import type { Kept, OwnedConversation, Reply } from '../../proto';
import { engine } from '../state';

export function get<T>(path: string, query: Record<string, string | number | undefined> = {}): Promise<T> {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const text = given.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join('&');
  return engine().api.call<T>('GET', `/api/v1/${path}${text ? `?${text}` : ''}`);
}

export function post<T = void>(path: string, body?: unknown): Promise<T> {
  return engine().api.call<T>('POST', `/api/v1/${path}`, body);
}

export function send<T = void>(method: 'PATCH' | 'DELETE' | 'PUT', path: string, body?: unknown): Promise<T> {
  return engine().api.call<T>(method, `/api/v1/${path}`, body);
}

/** With the token, for what is no JSON. */
export async function raw(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set('Authorization', `Bearer ${engine().api.token ?? ''}`);
  let response: Response;
  try {
    response = await fetch(`/api/v1/${path}`, { ...init, headers, credentials: 'omit' });
  } catch (error) {
    throw new Lost(String(error));
  }
  if (response.ok) return response;
  const value: unknown = await response.json().catch(() => undefined);
  throw Refused.from(value) ?? new Lost(`the answer was ${response.status}`);
}

/** Leaving and deactivating: nothing when it is done, or what somebody has to take over first. */
export async function part(path: string, body: object): Promise<OwnedConversation[] | undefined> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${engine().api.token ?? ''}` };
  const response = await fetch(`/api/v1/${path}`, { method: 'POST', headers, body: JSON.stringify(body), credentials: 'omit' }).catch((error: unknown) => {
    throw new Lost(String(error));
  });
  if (response.ok) return undefined;
  const value = (await response.json().catch(() => undefined)) as { owned?: OwnedConversation[] } | undefined;
  if (value?.owned) return value.owned;
  throw Refused.from(value) ?? new Lost(`the answer was ${response.status}`);
}

/** A command over HTTP: a page of settings need not wait for the line. */
export async function command<Type extends Reply['type']>(type: Type, ask: { type: string } & Record<string, unknown>): Promise<Extract<Reply, { type: Type }>> {
  const reply = await engine().api.command({ id: 1, ...ask });
  if (reply.type !== type) throw new Lost('another answer than was asked for');
  return reply as Extract<Reply, { type: Type }>;
}

const PAGE = 200;

/** All of one's own settings. */
export async function mySettings(): Promise<Kept[]> {
  const all: Kept[] = [];
  for (;;) {
    const after = all.at(-1)?.change;
    const page = await command('settings', { type: 'settings', limit: PAGE, ...(after === undefined ? {} : { after }) });
    all.push(...page.settings);
    if (!page.more || !page.settings.length) return all;
  }
}

export async function keep(setting: { key: string } & Record<string, unknown>): Promise<void> {
  await command('set', { type: 'set', ...setting });
}
