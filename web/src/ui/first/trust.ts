// How far this browser trusts the server: a page over plain http has no secure context; behind a warning that somebody came
// past everything goes but the service worker, which the browser then refuses. What must not live here: what is said of it.
import { computed, signal } from '@preact/signals';

export type Trust = 'full' | 'bypassed' | 'plain';

/** The name of the error with which the browser refused the service worker. */
export const workerRefused = signal<string | undefined>(undefined);

export const trust = computed<Trust>(() => {
  if (!isSecureContext) return 'plain';
  return location.protocol === 'https:' && workerRefused.value === 'SecurityError' ? 'bypassed' : 'full';
});
