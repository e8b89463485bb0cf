// How far this browser trusts the server: a page over plain http has no secure context; behind a warning that somebody came
// past everything goes but the service worker, which the browser then refuses. What must not live here: what is said of it.
import { computed } from '@preact/signals';
import { workerRefused } from '../installed/worker';

export type Trust = 'full' | 'bypassed' | 'plain';

export const trust = computed<Trust>(() => {
  if (!isSecureContext) return 'plain';
  return location.protocol === 'https:' && workerRefused.value === 'SecurityError' ? 'bypassed' : 'full';
});

/** Where it is told how to trust it. */
export const WAY = '/trust';

/** Only a server that vouches for itself has that page. */
export async function hasTrustPage(): Promise<boolean> {
  try {
    return (await fetch(WAY, { method: 'HEAD' })).ok;
  } catch {
    return false;
  }
}
