// What an installed client does beside its pages from the first moment on: its worker, the mark on its icon, its language and
// its invitation to be installed. What must not live here: anything drawn; what can wait is in files that are loaded later.
import { effect, signal } from '@preact/signals';
import { words } from '../../i18n';
import { theme } from '../look';
import { engine, line, session, unreadTotal } from '../state';
import { newer, reloadBy } from '../talk/newer';
import { beginWorker, hearWorker, lastPush, lookForUpdate, takeUpdate, updateWaits, workers } from './worker';

/** The browser's own question, kept until a good moment. */
export interface InstallPrompt extends Event {
  prompt(): Promise<{ outcome: 'accepted' | 'dismissed' }>;
}
export const installPrompt = signal<InstallPrompt | undefined>(undefined);
/** Whether this browser was asked to tell of messages: written down by push.ts. */
export const TELL = 'kinglet-tell';

export function beginInstalled(): void {
  addEventListener('beforeinstallprompt', (event) => {
    event.preventDefault();
    installPrompt.value = event as InstallPrompt;
  });
  addEventListener('appinstalled', () => {
    installPrompt.value = undefined;
  });
  effect(speak);
  effect(mark);
  effect(frame);
  // The browser itself looks for a new worker as the page opens.
  let before = false;
  effect(() => {
    if (line.value !== 'online') return;
    if (before) lookForUpdate();
    before = true;
  });
  effect(() => {
    // Told of something by the push service, while the line may be asleep.
    if (lastPush.value && session.peek()) engine().wake();
  });
  effect(() => {
    if (!session.value) {
      if (localStorage.getItem(TELL)) void import('./push').then((push) => push.forget());
    } else if (localStorage.getItem(TELL)) void import('./tell').then((tell) => tell.begin());
  });
  const container = workers();
  if (!container) return;
  hearWorker(container);
  // A plain reload would open the version that is kept.
  reloadBy(() => void takeUpdate());
  effect(() => {
    if (updateWaits.value) newer.value = 'there';
  });
  // What the page needs comes first; Safari does not say when that is done.
  const idle = globalThis.requestIdleCallback ?? ((then: () => void) => setTimeout(then, 1_000));
  idle(() => void beginWorker(container), { timeout: 3_000 });
}

/** The worker and the installation speak the page's language. */
function speak(): void {
  const { lang } = words.value;
  const manifest = document.querySelector<HTMLLinkElement>('link[rel=manifest]');
  const wanted = lang === 'en' ? '/manifest.webmanifest' : '/manifest-zh.webmanifest';
  if (manifest && manifest.getAttribute('href') !== wanted) manifest.href = wanted;
  if (workers()) void caches.open('kinglet-told').then((told) => told.put('/language', new Response(lang)), () => {});
}

/** The colours of --ground in style.css. */
const GROUND = { light: '#f5f6f4', dark: '#141716' };

/** The window's frame goes with the theme that was chosen here, or with the system's. */
function frame(): void {
  const chosen = theme.value;
  for (const meta of document.querySelectorAll<HTMLMetaElement>('meta[name=theme-color]')) {
    const own = meta.media.includes('dark') ? 'dark' : 'light';
    meta.content = GROUND[chosen === 'system' ? own : chosen];
  }
}

/** How many are unread, on the icon of who installed it. */
function mark(): void {
  const count = unreadTotal.value;
  const done = count ? navigator.setAppBadge?.(count) : navigator.clearAppBadge?.();
  done?.catch(() => {});
}
