// Files on their way up: piece by piece, from where the server says it stands, after a cut, a sleep or a reload. What must not
// live here: the message that carries them (outbox.ts), and HTTP (fileroutes.ts).
import type { Body, BlobInfo, UploadInfo } from '../proto';
import { Backoff } from './backoff';
import type { FileKind, FileRoutes } from './fileroutes';
import type { Outbox } from './outbox';
import type { OutboxRow } from './records';
import { Lost, Refused, verdict } from './refusal';

/** Under way at a time; the server takes four of one person. */
const AT_ONCE = 2;
/** A piece should take about a second: then the progress is true, and a cut costs no more than that. */
const FIRST_PIECE = 256 * 1024;
const LARGEST_PIECE = 8 * 1024 * 1024;
const SMALLEST_PIECE = 64 * 1024;
const QUICK_MS = 600;
const SLOW_MS = 2_000;
/** An older request may still be writing; but not for ever. */
const ASTRAY = 5;
/** Too many unfinished uploads, of all of one's devices. */
const CROWDED_MS = 30_000;

export interface UploadHooks {
  /** Rows look different now. */
  changed: () => void;
  progress: (client_id: string, sent: number) => void;
  /** A message may go. */
  up: () => void;
}

interface Carrying {
  lane: string;
  cut: AbortController;
}

/** The bytes cannot be had from this device any more. */
class Unreadable extends Error {}

export class Uploader {
  private awake = false;
  private readonly backoff: Backoff;
  private looking = Promise.resolve();
  private piece = FIRST_PIECE;
  private readonly carrying = new Map<string, Carrying>();
  /** What they are called at the server, until their message is there. */
  private readonly known = new Map<string, string>();
  private readonly parked = new Set<string>();
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(
    private readonly outbox: Outbox,
    private readonly routes: FileRoutes,
    private readonly hooks: UploadHooks,
    random?: () => number,
  ) {
    this.backoff = new Backoff(random);
  }

  welcome(): void {
    this.awake = true;
    this.parked.clear();
    this.quiet();
    void this.kick();
  }

  /** A piece that is under way may arrive; none is begun. */
  sleep(): void {
    this.awake = false;
    this.quiet();
  }

  /** Another tab goes on, or nobody is signed in any more. */
  stop(): void {
    this.sleep();
    for (const { cut } of this.carrying.values()) cut.abort();
  }

  /** Their messages are on the server's disk. */
  sent(clientIds: readonly string[]): void {
    for (const id of clientIds) this.known.delete(id);
  }

  /** One look after the other: what is carried is held against rows that are no older. */
  kick(): Promise<void> {
    this.looking = this.looking.then(() => this.look()).catch(() => {});
    return this.looking;
  }

  private async look(): Promise<void> {
    if (!this.awake) return;
    const rows = await this.outbox.rows();
    this.prune(new Set(rows.map((row) => row.client_id)));
    for (const row of rows) {
      if (this.carrying.size >= AT_ONCE) return;
      if (row.state !== 'waiting' || !row.file || row.file.up) continue;
      const held = this.carrying.has(row.client_id) || this.parked.has(row.client_id) || this.timers.has(row.client_id);
      // One after the other within a conversation, so that pictures come in the order in which they were chosen.
      if (held || [...this.carrying.values()].some((other) => other.lane === row.lane)) continue;
      void this.carry(row);
    }
  }

  /** What was taken back on the way is dropped at the server, too. */
  private prune(there: ReadonlySet<string>): void {
    for (const [id, { cut }] of this.carrying) if (!there.has(id)) cut.abort();
    for (const [id, upload] of this.known) {
      if (there.has(id)) continue;
      this.known.delete(id);
      void this.routes.giveUp(upload).catch(() => {});
    }
  }

  private async carry(row: OutboxRow): Promise<void> {
    const cut = new AbortController();
    this.carrying.set(row.client_id, { lane: row.lane, cut });
    let next = true;
    try {
      const blob = await this.bring(row, cut.signal);
      if (blob) await this.outbox.change(row.n, { file: { ...row.file!, up: true, waits: undefined }, change: carriedBy(row, blob) });
    } catch (error) {
      next = await this.failed(row, error, cut.signal.aborted);
    } finally {
      this.carrying.delete(row.client_id);
    }
    this.hooks.changed();
    this.hooks.up();
    if (next) void this.kick();
  }

  /** Nothing, when it was told to stop on the way. */
  private async bring(row: OutboxRow, stop: AbortSignal): Promise<BlobInfo | undefined> {
    const bytes = await this.outbox.bytes(row);
    if (!bytes) throw new Unreadable('its bytes are not there');
    const begin = () => this.routes.begin({ client_id: row.file!.upload, size: bytes.size }, stop);
    let info = await begin();
    let forgotten = false;
    let astray = 0;
    for (;;) {
      this.known.set(row.client_id, info.upload);
      this.hooks.progress(row.client_id, info.offset);
      if (info.blob) return info.blob;
      if (!this.awake || stop.aborted) return undefined;
      const { offset } = info;
      const part = await read(bytes.slice(offset, offset + this.piece));
      try {
        info = await this.timed(() => this.routes.bring(info.upload, offset, part, stop));
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (error.code === 'wrong_offset' && ++astray < ASTRAY) info = await this.routes.stands(info.upload, stop);
        else if (error.code === 'wrong_offset') throw new Lost('the server and this device do not agree where it stands');
        else if (error.code === 'not_found' && !forgotten) {
          forgotten = true;
          info = await begin();
        } else throw error;
      }
    }
  }

  /** Larger pieces on a quick line, smaller ones on a slow or broken one. */
  private async timed(send: () => Promise<UploadInfo>): Promise<UploadInfo> {
    const from = Date.now();
    try {
      const info = await send();
      this.backoff.reset();
      const took = Date.now() - from;
      if (took < QUICK_MS) this.piece = Math.min(this.piece * 2, LARGEST_PIECE);
      else if (took > SLOW_MS) this.smaller();
      return info;
    } catch (error) {
      if (error instanceof Lost) this.smaller();
      throw error;
    }
  }

  private smaller(): void {
    this.piece = Math.max(this.piece / 2, SMALLEST_PIECE);
  }

  /** True when the next one may go at once. */
  private async failed(row: OutboxRow, error: unknown, stopped: boolean): Promise<boolean> {
    if (error instanceof Refused) return this.refused(row, error);
    if (error instanceof Unreadable) {
      await this.outbox.change(row.n, { state: 'failed', error: { code: 'unreadable', message: error.message, next: '' } });
      return true;
    }
    if (stopped) return true;
    this.later(row.client_id, this.backoff.next());
    return false;
  }

  private async refused(row: OutboxRow, error: Refused): Promise<boolean> {
    const what = error.code === 'limit_reached' ? await this.limited(row) : verdict(error, 'upload');
    switch (what.is) {
      case 'later':
        await this.outbox.change(row.n, { file: { ...row.file!, waits: error.code } });
        this.later(row.client_id, what.after);
        return false;
      case 'next-welcome':
        this.parked.add(row.client_id);
        return true;
      default: {
        const { code, message, next } = error;
        await this.outbox.change(row.n, { state: 'failed', error: { code, message, next } });
        return true;
      }
    }
  }

  /** One's room is used up, or there are only too many uploads under way: then it is a matter of time. */
  private async limited(row: OutboxRow): Promise<ReturnType<typeof verdict>> {
    const storage = await this.routes.storage().catch(() => undefined);
    const full = storage && storage.used_bytes + row.file!.size > storage.user_bytes;
    return full ? { is: 'final' } : { is: 'later', after: CROWDED_MS };
  }

  private later(id: string, after: number): void {
    if (!this.awake) return;
    const again = () => {
      this.timers.delete(id);
      void this.kick();
    };
    clearTimeout(this.timers.get(id));
    this.timers.set(id, setTimeout(again, after));
  }

  private quiet(): void {
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
  }
}

async function read(part: Blob): Promise<ArrayBuffer> {
  try {
    return await part.arrayBuffer();
  } catch (error) {
    throw new Unreadable(String(error));
  }
}

/** The message as it may go: it names the file, and calls it what the server found it to be. */
function carriedBy({ change }: OutboxRow, { blob, media_type }: BlobInfo): OutboxRow['change'] {
  const body = change.body as Extract<Body, { blob: string }>;
  return { ...change, body: { ...body, blob, kind: kindOf(body.kind, media_type) } };
}

/** A kind that the bytes do not bear out would be refused; as a file everything may go. */
export function kindOf(wished: FileKind, media: string): FileKind {
  const [main] = media.split('/');
  const fits: Record<FileKind, boolean> = {
    image: main === 'image',
    video: main === 'video',
    audio: main === 'audio' || media === 'video/webm' || media === 'video/mp4',
    voice: main === 'audio' || media === 'video/webm' || media === 'video/mp4',
    file: true,
  };
  return fits[wished] ? wished : 'file';
}
