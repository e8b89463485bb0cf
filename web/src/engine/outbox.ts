// What was said and is not yet known to be on the server's disk: written down first, sent in order, with the same client id
// at every try. What must not live here: the network's state, what the log makes of an ack, and how files get up (upload.ts).
import type { Ack, Reply } from '../proto';
import type { Keep } from './db';
import { uuidv7 } from './ids';
import type { Change, NewFile, OutboxFile, OutboxRow } from './records';
import { Lost, Refused, verdict } from './refusal';
import type { Ask } from './transport';

/** Lanes that have a request under way at a time; the server reads at most 32 requests ahead. */
const LANES = 8;
/** Over plain HTTP an answer may be lost while the line stays. */
const UNANSWERED_MS = 5_000;
/** What is said after a file waits for it, so that order is kept; but nobody's words wait for a film. */
const ORDERED_BYTES = 2 * 1024 * 1024;

/** The place of a row that is not on the disk yet; theirs begin at 1. */
const NOT_YET = 0;

/** The lane's first that may go now. */
export function nextOf(rows: readonly OutboxRow[], lane: string): OutboxRow | undefined {
  for (const row of rows) {
    if (row.lane !== lane || row.state !== 'waiting') continue;
    if (!row.file || row.file.up) return row;
    if (row.file.size <= ORDERED_BYTES) return undefined;
  }
  return undefined;
}

export class Outbox {
  /** Being written to this device's disk: shown already, and not to be sent before they are there. */
  private readonly writing = new Set<OutboxRow>();

  constructor(
    private readonly keep: Keep,
    private readonly user: string,
  ) {}

  /** Resolves when it is on this device's disk; what waits is told of before, by `begun`. */
  async add(lane: string, change: Change, state: 'waiting' | 'held' = 'waiting', begun: (row: OutboxRow) => void = () => {}): Promise<OutboxRow> {
    const row: Omit<OutboxRow, 'n'> = {
      client_id: change.client_id,
      user: this.user,
      lane,
      change,
      created: Date.now(),
      state,
    };
    const shown = { ...row, n: NOT_YET };
    if (state === 'waiting') {
      this.writing.add(shown);
      begun(shown);
      // What shows it comes first, in this same moment.
      await undefined;
    }
    try {
      const n = await this.keep.add('outbox', row as OutboxRow);
      return { ...row, n };
    } finally {
      this.writing.delete(shown);
    }
  }

  /** A message that carries a file: both are on this device's disk, or neither. */
  async addFile(lane: string, command: Change, file: NewFile): Promise<OutboxRow> {
    const { bytes, ...about } = file;
    const change = { ...command, body: { ...about, blob: '' } };
    const carries = { upload: uuidv7(), name: file.name, size: bytes.size, type: bytes.type };
    const row = { client_id: change.client_id, user: this.user, lane, change, created: Date.now(), state: 'waiting' as const, file: carries };
    try {
      return { ...row, n: await this.write(row as unknown as OutboxRow, bytes) };
    } catch (error) {
      if ((error as DOMException).name === 'QuotaExceededError') throw error;
      // Some private windows keep no Blob, but do keep its bytes.
      return { ...row, n: await this.write(row as unknown as OutboxRow, await bytes.arrayBuffer()) };
    }
  }

  private async write(row: OutboxRow, bytes: Blob | ArrayBuffer): Promise<number> {
    const tx = this.keep.transaction(['outbox', 'files'], 'readwrite');
    const [n] = await Promise.all([tx.objectStore('outbox').add(row), tx.objectStore('files').put(bytes, row.client_id), tx.done]);
    return n;
  }

  /** What a row brings. */
  async bytes(row: OutboxRow): Promise<Blob | undefined> {
    const kept = await this.keep.get('files', row.client_id);
    return kept === undefined || kept instanceof Blob ? kept : new Blob([kept], { type: row.file?.type ?? '' });
  }

  /** In the order in which they were written down; other people's on this device stay theirs. */
  async rows(): Promise<OutboxRow[]> {
    return (await this.keep.getAll('outbox')).filter((row) => row.user === this.user);
  }

  /** The same, and what is being written down. */
  async shown(): Promise<OutboxRow[]> {
    const rows = await this.rows();
    const there = new Set(rows.map((row) => row.client_id));
    return [...rows, ...[...this.writing].filter((row) => !there.has(row.client_id))];
  }

  /** Only if it is still there: another tab may have been quicker. */
  async change(n: number, to: Partial<OutboxRow>): Promise<void> {
    const tx = this.keep.transaction('outbox', 'readwrite');
    const row = await tx.store.get(n);
    if (row) await tx.store.put({ ...row, ...to });
    await tx.done;
  }

  async remove(n: number): Promise<void> {
    const tx = this.keep.transaction(['outbox', 'files'], 'readwrite');
    const row = await tx.objectStore('outbox').get(n);
    if (row?.file) await tx.objectStore('files').delete(row.client_id);
    await tx.objectStore('outbox').delete(n);
    await tx.done;
  }

  /** Failed commands go to the end: what was said after them was sent meanwhile. A refused id was not used up. */
  async retry(n: number): Promise<void> {
    const tx = this.keep.transaction('outbox', 'readwrite');
    const row = await tx.store.get(n);
    if (row?.state === 'failed') {
      const { n: _, error, ...again } = row;
      if (again.file) again.file = retried(again.file, error?.code);
      await tx.store.delete(n);
      await tx.store.add({ ...again, state: 'waiting' } as OutboxRow);
    }
    await tx.done;
  }

  /** It was not taken back in time. False if it was. */
  async release(n: number): Promise<boolean> {
    const tx = this.keep.transaction('outbox', 'readwrite');
    const row = await tx.store.get(n);
    if (row?.state === 'held') await tx.store.put({ ...row, state: 'waiting' });
    await tx.done;
    return row?.state === 'held';
  }

  /** Their events came: nothing is left to do. True if there were any. */
  async arrived(clientIds: readonly string[]): Promise<boolean> {
    if (!clientIds.length) return false;
    const ids = new Set(clientIds);
    const tx = this.keep.transaction(['outbox', 'files'], 'readwrite');
    const store = tx.objectStore('outbox');
    let any = false;
    for (const row of await store.getAll()) {
      if (row.user !== this.user || !ids.has(row.client_id)) continue;
      any = true;
      await store.delete(row.n);
      if (row.file) await tx.objectStore('files').delete(row.client_id);
    }
    await tx.done;
    return any;
  }

  /** Acked commands whose place is held, or will never come. */
  async settle(isHeld: (conversation: string, seq: number) => boolean): Promise<boolean> {
    let any = false;
    for (const row of await this.rows()) {
      if (row.state !== 'acked' || !isHeld(row.conversation ?? '', row.seq ?? 0)) continue;
      any = true;
      await this.remove(row.n);
    }
    return any;
  }
}

/** What the server has dropped has to be brought under a new name. */
export function anew(file: OutboxFile): OutboxFile {
  return { ...file, upload: uuidv7(), up: false, again: true };
}

function retried(file: OutboxFile, code: string | undefined): OutboxFile {
  return { ...(code === 'not_found' ? anew(file) : file), again: false };
}

export interface SenderHooks {
  ask: (ask: Ask) => Promise<Reply>;
  /** Rows look different now. */
  changed: () => void;
  acked: (row: OutboxRow, ack: Ack) => Promise<void>;
  /** A file has to be brought once more. */
  dropped?: () => void;
}

/** Only one tab has one that is awake: the one with the line. */
export class Sender {
  private awake = false;
  private readonly busy = new Set<string>();
  private readonly parked = new Set<string>();
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(
    private readonly outbox: Outbox,
    private readonly hooks: SenderHooks,
  ) {}

  /** The line is there: everything that waits is sent again. */
  welcome(): void {
    this.awake = true;
    this.parked.clear();
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
    void this.kick();
  }

  sleep(): void {
    this.awake = false;
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
  }

  /** The person asks: what waits for the next welcome may go now. */
  unpark(): void {
    this.parked.clear();
    void this.kick();
  }

  async kick(): Promise<void> {
    if (!this.awake) return;
    const rows = await this.outbox.rows();
    for (const lane of new Set(rows.map((row) => row.lane))) {
      if (this.busy.size >= LANES) return;
      if (!nextOf(rows, lane)) continue;
      if (this.busy.has(lane) || this.parked.has(lane) || this.timers.has(lane)) continue;
      this.busy.add(lane);
      void this.run(lane);
    }
  }

  private async run(lane: string): Promise<void> {
    try {
      while (this.awake && (await this.one(lane)));
    } finally {
      this.busy.delete(lane);
    }
    // Something may have been written down while the lane was closing, or a lane had to wait for its turn.
    if (this.awake) void this.kick();
  }

  /** Sends the lane's first; false when nothing more can be done now. */
  private async one(lane: string): Promise<boolean> {
    const row = nextOf(await this.outbox.rows(), lane);
    if (!row) return false;
    try {
      const reply = await this.hooks.ask(row.change);
      if (reply.type !== 'ack') throw new Lost(`the answer to ${row.change.type} is no ack`);
      await this.hooks.acked(row, reply);
    } catch (error) {
      if (!(error instanceof Refused)) {
        // No answer says nothing. It goes again, with the same id, after the next welcome, or if there was no new one soon.
        this.later(lane, UNANSWERED_MS);
        return false;
      }
      return this.refused(lane, row, error);
    }
    this.hooks.changed();
    return true;
  }

  private async refused(lane: string, row: OutboxRow, error: Refused): Promise<boolean> {
    const what = verdict(error, row.change.type);
    switch (what.is) {
      case 'later':
        this.later(lane, what.after);
        return false;
      case 'next-welcome':
        this.parked.add(lane);
        return false;
      case 'done':
        await this.outbox.remove(row.n);
        break;
      case 'final':
        if (error.code === 'not_found' && row.file && !row.file.again) {
          // Unsent files are dropped after a day; this device still has it.
          await this.outbox.change(row.n, { file: anew(row.file) });
          this.hooks.dropped?.();
          break;
        }
        await this.outbox.change(row.n, {
          state: 'failed',
          error: { code: error.code, message: error.message, next: error.next },
        });
    }
    this.hooks.changed();
    return true;
  }

  private later(lane: string, after: number): void {
    const again = () => {
      this.timers.delete(lane);
      void this.kick();
    };
    clearTimeout(this.timers.get(lane));
    this.timers.set(lane, setTimeout(again, after));
  }
}
