// Puts together what there is while somebody is signed in, and ties the parts to each other. What must not live here: what the parts
// do, and what a page asks for (engine.ts).
import type { Reply } from '../proto';
import type { Api } from './api';
import { Carrier } from './carrier';
import type { Cache, Keep, Names } from './db';
import { stand } from './leader';
import { Outbox, Sender } from './outbox';
import type { Options, Within } from './parts';
import { Presence } from './presence';
import type { Session } from './records';
import { Settings } from './settings';
import { Sync } from './sync';
import type { Changed } from './tabs';
import { type Ask, type Line, Transport } from './transport';

export interface Around {
  options: Options;
  names: Names;
  cache: Cache;
  keep: Keep;
  api: Api;
}

export interface Told {
  /** To this tab and the others. */
  tell: (changed: Changed) => void;
  /** By whichever tab holds the line. */
  ask: (ask: Ask) => Promise<Reply>;
  line: (line: Line) => void;
  online: () => boolean;
  /** This tab holds the line from now on. */
  won: () => void;
  /** All that was missed is there. */
  settled: () => void;
  signedOut: () => void;
}

export function assemble(session: Session, around: Around, told: Told): Within {
  const { cache, keep, api, options } = around;
  const outbox = new Outbox(keep, session.user);
  const ask = (what: Ask) => transport.ask(what);
  const settings = new Settings(cache, keep, session.user, { ask: told.ask, online: told.online, changed: () => told.tell({ settings: true }) });
  const presence = new Presence(ask, (online) => told.tell({ online }));
  const { sender, carrier } = senders(outbox, around, told, ask);
  const sync = new Sync(cache, session.user, {
    ask,
    settings: (kept) => settings.take(kept),
    settingsAnew: (patiently) => settings.anew(patiently),
    user: (id) => api.user(id),
    // The server tells who comes and goes; of who was there before one shared a conversation it is asked.
    met: () => void presence.begin().catch(() => {}),
    changed: told.tell,
    arrived: async (ids) => {
      carrier.sent(ids);
      if (await outbox.arrived(ids)) told.tell({ outbox: true });
    },
    settled: async () => {
      if (await settled(cache, outbox)) told.tell({ outbox: true });
      told.settled();
      await settings.flush();
    },
  });
  const transport = lineOf(session, around, told, { sender, carrier, presence, sync });
  const leadership = stand(
    keep,
    `${around.names.keep}:line`,
    { won: () => (told.won(), transport.start()), lost: () => (carrier.stop(), transport.stop()) },
    options.locks,
  );
  return { session, outbox, settings, presence, sync, sender, carrier, transport, leadership };
}

/** What brings commands and files up. */
function senders(outbox: Outbox, { cache, api, options }: Around, { tell }: Told, ask: (ask: Ask) => Promise<Reply>): Pick<Within, 'sender' | 'carrier'> {
  const changed = () => tell({ outbox: true });
  const sender = new Sender(outbox, {
    ask,
    changed,
    dropped: () => void carrier.kick(),
    acked: async (row, ack) => {
      carrier.sent([row.client_id]);
      const record = await cache.get('conversations', ack.conversation);
      if (ack.erased || (record && record.have >= ack.seq)) await outbox.remove(row.n);
      else await outbox.change(row.n, { state: 'acked', conversation: ack.conversation, seq: ack.seq });
    },
  });
  const hooks = {
    changed,
    progress: (client_id: string, sent: number) => tell({ progress: { client_id, sent } }),
    up: () => void sender.kick(),
  };
  const carrier = new Carrier(outbox, api, hooks, options.random);
  return { sender, carrier };
}

type Ends = Pick<Within, 'sender' | 'carrier' | 'presence' | 'sync'>;

function lineOf(session: Session, { options, api }: Around, told: Told, { sender, carrier, presence, sync }: Ends): Transport {
  let now: Line = 'connecting';
  return new Transport(
    {
      url: options.socketUrl,
      api,
      token: () => session.token,
      resume: () => sync.resume(),
      ...(options.socket ? { socket: options.socket } : {}),
      ...(options.random ? { random: options.random } : {}),
    },
    {
      line: (line) => {
        now = line;
        if (line !== 'online' && line !== 'fallback') {
          sender.sleep();
          carrier.sleep();
        }
        if (line !== 'online') presence.lost();
        told.line(line);
      },
      begin: (beginning) => {
        sync.begin(beginning);
        sender.welcome();
        carrier.welcome();
        if (now === 'online') void presence.begin().catch(() => {});
      },
      events: (events) => sync.events(events),
      notice: (notice) => {
        void sync.notice(notice).catch(() => {});
        presence.notice(notice);
        if (notice.type === 'typing') told.tell({ notice });
      },
      position: (resume) => sync.position(resume),
      signedOut: told.signedOut,
    },
  );
}

/** Acked commands whose event is held, or whose conversation one is no longer in. True if there were any. */
async function settled(cache: Cache, outbox: Outbox): Promise<boolean> {
  const records = new Map((await cache.getAll('conversations')).map((record) => [record.id, record]));
  return outbox.settle((id, seq) => {
    const record = records.get(id);
    return record !== undefined && (record.gone === true || record.have >= seq);
  });
}
