// An engine as one tab of a browser has it, in this process. What must not live here: a server.
import 'fake-indexeddb/auto';
import { WebSocket } from 'ws';
import { Engine, type Options } from '../../src/engine/engine';
import { uuidv7 } from '../../src/engine/ids';
import type { Changed } from '../../src/engine/tabs';
import type { SignedIn } from '../../src/proto';

export interface Client {
  engine: Engine;
  changes: Changed[];
  /** Texts of a conversation as they stand in the copy. */
  texts(conversation: string): Promise<string[]>;
  until(what: () => Promise<boolean> | boolean, why?: string): Promise<void>;
}

const PATIENCE_MS = 30_000;

export async function client(
  where: { url: string; socketUrl: string },
  options: Partial<Options> = {},
  signedIn?: SignedIn,
): Promise<Client> {
  const changes: Changed[] = [];
  let bell = () => {};
  const engine = await Engine.open({
    socketUrl: where.socketUrl,
    base: where.url,
    names: { cache: `copy-${uuidv7()}`, keep: `keep-${uuidv7()}` },
    locks: undefined,
    socket: (url, protocol) => new WebSocket(url, protocol) as unknown as globalThis.WebSocket,
    // Tests need not wait as long as people's networks do.
    random: () => 0.05,
    changed: (changed) => {
      changes.push(changed);
      bell();
    },
    ...options,
  });
  if (signedIn) await engine.entered(signedIn);
  return {
    engine,
    changes,
    async texts(conversation) {
      const entries = await engine.entries(conversation, Number.MAX_SAFE_INTEGER, 1_000);
      return entries.flatMap((entry) => (entry.body?.kind === 'text' ? [entry.body.text] : []));
    },
    /** Looks again at each change; a change cannot be missed, since the bell is hung up before the look. */
    async until(what, why = String(what)) {
      const end = Date.now() + PATIENCE_MS;
      for (;;) {
        const rung = new Promise<void>((resolve) => {
          bell = resolve;
          setTimeout(resolve, 250).unref();
        });
        if (await what()) return;
        if (Date.now() > end) throw new Error(`it did not come so: ${why}`);
        await rung;
      }
    },
  };
}
