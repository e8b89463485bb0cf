// What belongs to oneself and follows to all of one's devices: drafts, levels, what is pinned (PROTOCOL.md, "Settings of one's
// own"). What must not live here: what a setting means to a page, and when sync asks.
import type { Kept, Reply } from '../proto';
import type { Cache, Keep } from './db';
import type { SettingRecord } from './records';
import { Lost, Refused, verdict } from './refusal';
import type { Ask } from './transport';

type Bare<One> = One extends unknown ? Omit<One, 'change'> : never;
/** A thread as one wishes to follow it or not; `seq` is that of its root. */
export interface Following {
  key: 'follow';
  conversation: string;
  seq: number;
  value: boolean;
}
/** A setting as one wishes it to be; without a value it is cleared. */
export type Wish = Bare<Kept> | Following;

/** A wish that the server refused when nobody waited for the answer any more. */
export interface Undone {
  wish: Wish;
  error: { code: string; message: string; next: string };
}

/** Over plain HTTP an answer may be lost while the line stays. */
const UNANSWERED_MS = 5_000;

/** What a setting is about, in one word: of two with the same the larger change counts. */
export function settingId(about: Wish | Kept): string {
  const { conversation, user, seq } = about as { conversation?: string | null; user?: string; seq?: number };
  return [about.key, conversation ?? user ?? '', ...(seq === undefined ? [] : [seq])].join(':');
}

export interface SettingHooks {
  ask: (ask: Ask) => Promise<Reply>;
  changed: () => void;
  /** There is a line; when one comes, `flush` is called. */
  online: () => boolean;
}

export class Settings {
  /** By setting the request under way: the next waits for it, so that the newest is told last. */
  private readonly lanes = new Map<string, Promise<void>>();
  /** By setting: told again after a while. */
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();
  private stopped = false;

  constructor(
    private readonly cache: Cache,
    private readonly keep: Keep,
    private readonly user: string,
    private readonly hooks: SettingHooks,
  ) {}

  /** As one wishes them: what the server has not heard yet lies over what it said. Cleared ones have no value. */
  async all(): Promise<SettingRecord[]> {
    const [told, wished] = await Promise.all([this.cache.getAll('settings'), this.wished()]);
    const found = new Map(told.map((record) => [record.id, record]));
    for (const wish of wished) if (wish.key !== 'follow') found.set(settingId(wish), { id: settingId(wish), kept: { ...wish, change: found.get(settingId(wish))?.kept.change ?? 0 } as Kept });
    return [...found.values()];
  }

  /** What is still to be told of one thread. */
  async following(conversation: string, seq: number): Promise<boolean | undefined> {
    const wish = (await this.keep.get('meta', `${this.prefix}${settingId({ key: 'follow', conversation, seq, value: true })}`)) as Following | undefined;
    return wish?.value;
  }

  /** From the server, by whichever way and in whichever order. Cleared ones stay, so that an older word is known as such. */
  async take(kept: readonly Kept[]): Promise<void> {
    if (!kept.length) return;
    const tx = this.cache.transaction('settings', 'readwrite');
    for (const one of kept) {
      const id = settingId(one);
      const there = await tx.store.get(id);
      if (!there || there.kept.change < one.change) await tx.store.put({ id, kept: one });
    }
    await tx.done;
    this.hooks.changed();
  }

  /** What was cleared is not told any more: all of them are asked for. */
  async anew(ask: (ask: Ask) => Promise<Reply>): Promise<void> {
    const all: Kept[] = [];
    for (let after: number | undefined; ; ) {
      const reply = await ask({ type: 'settings', limit: 200, ...(after === undefined ? {} : { after }) });
      if (reply.type !== 'settings') throw new Lost('the answer to settings is none');
      all.push(...reply.settings);
      after = reply.settings.at(-1)?.change;
      if (!reply.more || after === undefined) break;
    }
    await this.cache.clear('settings');
    await this.take(all);
    this.hooks.changed();
  }

  /** Tells the server, and only then takes it over. */
  async tell(wish: Wish): Promise<void> {
    if (wish.key === 'follow') {
      await this.hooks.ask({ type: 'follow', conversation: wish.conversation, thread: wish.seq, on: wish.value });
      return;
    }
    const reply = await this.hooks.ask({ type: 'set', ...wish });
    if (reply.type !== 'set') throw new Lost('the answer to set is none');
    // 0: there was nothing to clear.
    if (reply.change) await this.take([{ ...wish, change: reply.change } as Kept]);
  }

  /** Holds at once, also without a line; the server is told when it can be. */
  async wish(wish: Wish): Promise<void> {
    const id = settingId(wish);
    await this.keep.put('meta', wish, `${this.prefix}${id}`);
    await this.keep.delete('meta', `${this.refusals}${id}`);
    this.hooks.changed();
    await this.one(id);
  }

  /** The line is there. */
  async flush(): Promise<void> {
    for (const wish of await this.wished()) await this.quietly(settingId(wish));
  }

  /** Nobody is signed in here any more. */
  stop(): void {
    this.stopped = true;
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
  }

  /** What was refused when nobody waited for the answer; it stays until it was seen. */
  async undone(): Promise<Undone[]> {
    return (await this.keep.getAll('meta', under(this.refusals))) as Undone[];
  }

  async seen({ wish }: Undone): Promise<void> {
    await this.keep.delete('meta', `${this.refusals}${settingId(wish)}`);
    this.hooks.changed();
  }

  private one(id: string): Promise<void> {
    const turn = (this.lanes.get(id) ?? Promise.resolve()).then(() => this.newest(id));
    this.lanes.set(id, turn.catch(() => {}));
    return turn;
  }

  /** For whom nobody waits: what is refused is written down. */
  private async quietly(id: string): Promise<void> {
    const wish = (await this.keep.get('meta', `${this.prefix}${id}`)) as Wish | undefined;
    try {
      await this.one(id);
    } catch (error) {
      if (!(error instanceof Refused) || !wish) return;
      const { code, message, next } = error;
      await this.keep.put('meta', { wish, error: { code, message, next } } satisfies Undone, `${this.refusals}${id}`);
      this.hooks.changed();
    }
  }

  private later(id: string, after: number): void {
    if (this.stopped) return;
    clearTimeout(this.timers.get(id));
    const again = () => {
      this.timers.delete(id);
      void this.quietly(id).catch(() => {});
    };
    this.timers.set(id, setTimeout(again, after));
  }

  /** Tells what is wished now; without an answer it stays written down, and is told again. */
  private async newest(id: string): Promise<void> {
    const place = `${this.prefix}${id}`;
    const wish = (await this.keep.get('meta', place)) as Wish | undefined;
    if (!wish || this.stopped) return;
    try {
      await this.tell(wish);
    } catch (error) {
      if (!(error instanceof Refused)) return this.hooks.online() ? this.later(id, UNANSWERED_MS) : undefined;
      const what = verdict(error, 'set');
      if (what.is === 'later') return this.later(id, what.after);
      if (what.is === 'next-welcome') return;
      await this.forget(place, wish);
      if (what.is === 'final') throw error;
      return;
    }
    await this.forget(place, wish);
  }

  /** Only if nothing newer was wished meanwhile. */
  private async forget(place: string, wish: Wish): Promise<void> {
    const tx = this.keep.transaction('meta', 'readwrite');
    if (JSON.stringify(await tx.store.get(place)) === JSON.stringify(wish)) await tx.store.delete(place);
    await tx.done;
    this.hooks.changed();
  }

  private async wished(): Promise<Wish[]> {
    return (await this.keep.getAll('meta', under(this.prefix))) as Wish[];
  }

  private get prefix(): string {
    return `set:${this.user}:`;
  }
  private get refusals(): string {
    return `undone:${this.user}:`;
  }
}

const under = (prefix: string) => IDBKeyRange.bound(prefix, `${prefix}\uffff`);
