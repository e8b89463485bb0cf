// What belongs to oneself and follows to all of one's devices: drafts, levels, what is pinned (PROTOCOL.md, "Settings of one's
// own"). What must not live here: what a setting means to a page, and when sync asks.
import type { Kept, Reply } from '../proto';
import type { Cache, Keep } from './db';
import type { SettingRecord } from './records';
import { Lost, Refused } from './refusal';
import type { Ask } from './transport';

type Bare<One> = One extends unknown ? Omit<One, 'change'> : never;
/** A setting as one wishes it to be; without a value it is cleared. */
export type Wish = Bare<Kept>;

/** What a setting is about, in one word: of two with the same the larger change counts. */
export function settingId(about: Wish | Kept): string {
  const { conversation, user, seq } = about as { conversation?: string | null; user?: string; seq?: number };
  return [about.key, conversation ?? user ?? '', ...(seq === undefined ? [] : [seq])].join(':');
}

export interface SettingHooks {
  ask: (ask: Ask) => Promise<Reply>;
  changed: () => void;
}

export class Settings {
  /** By setting the request under way: the next waits for it, so that the newest is told last. */
  private readonly lanes = new Map<string, Promise<void>>();

  constructor(
    private readonly cache: Cache,
    private readonly keep: Keep,
    private readonly user: string,
    private readonly hooks: SettingHooks,
  ) {}

  /** As one wishes them: what the server has not heard yet lies over what it said. Cleared ones have no value. */
  async all(): Promise<SettingRecord[]> {
    const [told, wished] = await Promise.all([this.cache.getAll('settings'), this.wished()]);
    const all = new Map(told.map((record) => [record.id, record]));
    for (const wish of wished) all.set(settingId(wish), { id: settingId(wish), kept: { ...wish, change: all.get(settingId(wish))?.kept.change ?? 0 } as Kept });
    return [...all.values()];
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
    const reply = await this.hooks.ask({ type: 'set', ...wish });
    if (reply.type !== 'set') throw new Lost('the answer to set is none');
    // 0: there was nothing to clear.
    if (reply.change) await this.take([{ ...wish, change: reply.change } as Kept]);
  }

  /** Holds at once, also without a line; the server is told when it can be. */
  async wish(wish: Wish): Promise<void> {
    await this.keep.put('meta', wish, this.place(wish));
    this.hooks.changed();
    await this.one(settingId(wish));
  }

  /** The line is there. */
  async flush(): Promise<void> {
    for (const wish of await this.wished()) await this.one(settingId(wish)).catch(() => {});
  }

  private one(id: string): Promise<void> {
    const turn = (this.lanes.get(id) ?? Promise.resolve()).then(() => this.newest(id));
    this.lanes.set(id, turn.catch(() => {}));
    return turn;
  }

  /** Tells what is wished now; without an answer it stays written down. */
  private async newest(id: string): Promise<void> {
    const place = `${this.prefix}${id}`;
    const wish = (await this.keep.get('meta', place)) as Wish | undefined;
    if (!wish) return;
    try {
      await this.tell(wish);
    } catch (error) {
      if (!(error instanceof Refused) || error.retryAfter !== undefined) return;
      await this.forget(place, wish);
      throw error;
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
    return (await this.keep.getAll('meta', IDBKeyRange.bound(this.prefix, `${this.prefix}\uffff`))) as Wish[];
  }

  private get prefix(): string {
    return `set:${this.user}:`;
  }
  private place(wish: Wish): string {
    return `${this.prefix}${settingId(wish)}`;
  }
}
