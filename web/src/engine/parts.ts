// What an engine is made of, and what it is opened with. What must not live here: what the parts do.
import type { Carrier } from './carrier';
import type { Names } from './db';
import type { Leadership } from './leader';
import type { Outbox, Sender } from './outbox';
import type { Presence } from './presence';
import type { Session } from './records';
import type { Settings } from './settings';
import type { Sync } from './sync';
import type { Changed } from './tabs';
import type { Transport } from './transport';

export interface Options {
  /** `ws://...` and `http://...`; for a page its own server's. */
  socketUrl: string;
  base?: string;
  names?: Names;
  locks?: LockManager | undefined;
  socket?: (url: string, protocol: string) => WebSocket;
  http?: typeof fetch;
  random?: () => number;
  changed: (changed: Changed) => void;
  /** A newer client took the databases over. */
  outdated?: () => void;
}

/** What there is only while somebody is signed in. */
export interface Within {
  session: Session;
  outbox: Outbox;
  settings: Settings;
  presence: Presence;
  sync: Sync;
  sender: Sender;
  carrier: Carrier;
  transport: Transport;
  leadership: Leadership;
}
