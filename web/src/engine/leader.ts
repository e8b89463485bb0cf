// Which of a browser's tabs holds the line: one at a time, the next when it closes. What must not live here: what it does then.
import type { Keep } from './db';
import { uuidv7 } from './ids';

/** Without Web Locks (they need a secure context) a tab holds a lease, written down, and renews it. */
const RENEW_MS = 1_500;
const LEASE_MS = 5_000;

export interface Leadership {
  readonly leads: boolean;
  resign(): void;
  /** The page goes, perhaps to come back: whoever is next need not wait until the lease is over. */
  away(): void;
}

interface Hooks {
  won: () => void;
  lost: () => void;
}

export function stand(keep: Keep, name: string, hooks: Hooks, locks: LockManager | undefined): Leadership {
  return locks ? byLock(locks, name, hooks) : byLease(keep, name, hooks);
}

function byLock(locks: LockManager, name: string, hooks: Hooks): Leadership {
  const state = { leads: false, resign: () => cut.abort() };
  const cut = new AbortController();
  const held = () =>
    new Promise<void>((release) => {
      state.leads = true;
      state.resign = () => {
        state.leads = false;
        hooks.lost();
        release();
      };
      hooks.won();
    });
  // Refused only when this tab resigned before it won.
  locks.request(name, { signal: cut.signal }, held).catch(() => {});
  return {
    get leads() {
      return state.leads;
    },
    resign: () => state.resign(),
    // The browser lets go of the lock itself.
    away: () => {},
  };
}

interface Lease {
  tab: string;
  until: number;
}

function byLease(keep: Keep, name: string, hooks: Hooks): Leadership {
  const tab = uuidv7();
  const key = `lease:${name}`;
  let leads = false;
  let over = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** One transaction looks and writes, so two tabs never both find it free. */
  const renew = async (): Promise<boolean> => {
    const tx = keep.transaction('meta', 'readwrite');
    const now = Date.now();
    const lease = (await tx.store.get(key)) as Lease | undefined;
    const free = !lease || lease.tab === tab || lease.until < now || lease.until > now + 2 * LEASE_MS;
    if (free) await tx.store.put({ tab, until: now + LEASE_MS } satisfies Lease, key);
    await tx.done;
    return free;
  };
  const turn = async () => {
    const mine = await renew().catch(() => false);
    if (over) return;
    if (mine !== leads) {
      leads = mine;
      if (mine) hooks.won();
      else hooks.lost();
    }
    timer = setTimeout(() => void turn(), RENEW_MS);
  };
  void turn();
  return {
    get leads() {
      return leads;
    },
    resign() {
      if (over) return;
      over = true;
      clearTimeout(timer);
      if (!leads) return;
      leads = false;
      hooks.lost();
      void keep.delete('meta', key).catch(() => {});
    },
    away() {
      if (over || !leads) return;
      const tx = keep.transaction('meta', 'readwrite');
      tx.store.delete(key).catch(() => {});
      tx.done.catch(() => {});
      // Said at once: a page that goes has no time to wait for the answer.
      tx.commit?.();
    },
  };
}
