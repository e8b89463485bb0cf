// Which page is shown, as the address bar says. What must not live here: the pages.
import { signal } from '@preact/signals';

export type Route =
  | { page: 'home' }
  | { page: 'join'; code: string }
  | { page: 'reset'; code: string }
  | { page: 'sign-in' }
  | { page: 'pair'; code: string }
  | { page: 'sheet' }
  /** What another app wants to give to a conversation. */
  | { page: 'share' }
  /** One's own settings, and those of the server: a list of pages, one of them, one row of it. */
  | { page: 'me' | 'admin'; at: string | undefined; row: string | undefined }
  /** A conversation, or a person with whom there is none yet; a message of it, and what is open at its side. */
  | { page: 'talk'; id: string; seq?: number; side?: string };

export function routeOf(path: string, hash: string): Route {
  // What stands behind the # never reaches a server's log.
  const code = hash.replace(/^#/, '').replace(/[^\w-]/g, '');
  if (path === '/join') return { page: 'join', code };
  if (path === '/reset') return { page: 'reset', code };
  if (path === '/pair') return { page: 'pair', code };
  if (path === '/sheet') return { page: 'sheet' };
  if (path === '/sign-in') return { page: 'sign-in' };
  if (path === '/share') return { page: 'share' };
  const desk = /^\/(me|admin)(?:\/([a-z-]+)(?:\/([\w-]+))?)?$/.exec(path);
  if (desk) return { page: desk[1] as 'me' | 'admin', at: desk[2], row: desk[3] };
  const talk = /^\/c\/([cu][0-9a-z]{10})(?:\/(\d{1,15}))?$/.exec(path);
  if (!talk) return { page: 'home' };
  return { page: 'talk', id: talk[1]!, ...(talk[2] ? { seq: Number(talk[2]) } : {}), ...(code ? { side: code } : {}) };
}

export const route = signal<Route>(routeOf(location.pathname, location.hash));
const read = () => {
  route.value = routeOf(location.pathname, location.hash);
};
addEventListener('popstate', read);
addEventListener('hashchange', read);

export function go(path: string, replace = false): void {
  if (replace) history.replaceState(null, '', path);
  else history.pushState(null, '', path);
  read();
}
