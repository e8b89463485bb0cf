// Catching up: what to ask for after each welcome, and what to do with events that come out of order (PROTOCOL.md, "Resume
// and sync"). What must not live here: what an event does to the copy (log.ts), and the outbox.
import type { ConversationInfo, Event, HistoryPage, Kept, Notice, Reply, SyncPage, UserInfo } from '../proto';
import { CACHE_STORES, type Cache } from './db';
import * as log from './log';
import { merged } from './merged';
import type { ConversationRecord } from './records';
import { Lost, Refused } from './refusal';
import type { Ask, Beginning } from './transport';

/** Kept aside in memory for one conversation; beyond that they are pulled. */
const ASIDE = 500;
/** Asked for at once; on a first load `sync` brings everybody anyway. */
const STRANGERS = 20;
const NEWEST = 50;
const PAGE = 100;
const LONGEST_WAIT_MS = 10_000;

type Step = { events: Event[] } | { position: string };

export interface SyncHooks {
  ask: (ask: Ask) => Promise<Reply>;
  /** A person's profile. */
  user: (id: string) => Promise<UserInfo>;
  changed: (what: { conversations?: string[]; users?: boolean }) => void;
  /** Settings of one's own, as they stand now. */
  settings: (kept: Kept[]) => Promise<void>;
  /** The copy of them is too old: all of them are to be asked for. */
  settingsAnew: (ask: (ask: Ask) => Promise<Reply>) => Promise<void>;
  /** A conversation came that was not known: whoever is in it may be here. */
  met: () => void;
  /** Own commands whose events are in the copy now. */
  arrived: (clientIds: string[]) => Promise<void>;
  /** All that was missed is there. */
  settled: () => Promise<void>;
}

export class Sync {
  private readonly steps: Step[] = [];
  private readonly aside = new Map<string, Event[]>();
  private readonly watched = new Set<string>();
  private draining: Promise<void> | undefined;
  private pulling: Promise<void> | undefined;
  private held: string | undefined;
  private syncing = 0;
  private generation = 0;
  private pullAgain = false;
  private stopped = false;

  constructor(
    private readonly cache: Cache,
    private readonly me: string,
    private readonly hooks: SyncHooks,
  ) {}

  /** The newest stored place; what a `hello` begins with. */
  async resume(): Promise<string | undefined> {
    return (await this.cache.get('meta', 'meta'))?.resume;
  }

  /** On screen: pulled first. */
  watch(conversation: string): void {
    this.watched.clear();
    this.watched.add(conversation);
    void this.pullAll();
  }

  begin(beginning: Beginning): void {
    this.generation += 1;
    this.syncing = 0;
    this.held = undefined;
    void this.catchUp(beginning, this.generation).catch((error) => this.gaveUp(error));
  }

  /** Nobody is signed in here any more; what is under way may find the databases closed. */
  stop(): void {
    this.stopped = true;
    this.generation += 1;
    this.steps.length = 0;
  }

  private gaveUp(error: unknown): void {
    if (this.stopped) return;
    if (error instanceof Refused && error.code === 'resync') this.begin({ catch_up: 'resync', resume: '' });
    // Whatever it was, the next welcome begins anew. What is no lost line is a mistake that must be seen.
    else if (!(error instanceof Lost)) console.error(error);
  }

  events(events: Event[]): void {
    this.steps.push({ events });
    this.drain();
  }

  position(resume: string): void {
    this.steps.push({ position: resume });
    this.drain();
  }

  /** All that came so far is in the copy. */
  async idle(): Promise<void> {
    while (this.draining ?? this.pulling) await (this.draining ?? this.pulling);
  }

  private drain(): void {
    this.draining ??= this.drainAll()
      .catch((error) => this.gaveUp(error))
      .finally(() => {
        this.draining = undefined;
        if (this.steps.length) this.drain();
      });
  }

  /** One transaction for all events that wait, up to a position: what it says must be on disk before it. */
  private async drainAll(): Promise<void> {
    while (this.steps.length) {
      const events: Event[] = [];
      let position: string | undefined;
      while (this.steps.length && position === undefined) {
        const step = this.steps.shift()!;
        if ('events' in step) events.push(...step.events);
        else position = step.position;
      }
      if (events.length) await this.took(await log.take(this.cache, this.me, events));
      if (position !== undefined) await this.placed(position);
    }
  }

  private async placed(resume: string): Promise<void> {
    if (this.syncing) this.held = resume;
    else await this.meta({ resume });
  }

  private async took(taken: log.Taken): Promise<void> {
    for (const event of taken.aside) this.putAside(event);
    await this.hooks.arrived(taken.own);
    if (taken.changed.length) this.hooks.changed({ conversations: taken.changed });
    if (taken.fresh.length) void this.learn().catch((error) => this.gaveUp(error));
    if (taken.begun) this.hooks.met();
    if (taken.strangers.length) void this.meet(taken.strangers).catch((error) => this.gaveUp(error));
    if (taken.pull.length) void this.pullAll();
  }

  private putAside(event: Event): void {
    const there = this.aside.get(event.conversation) ?? [];
    if (there.length < ASIDE) this.aside.set(event.conversation, [...there, event]);
  }

  private async catchUp(beginning: Beginning, generation: number): Promise<void> {
    const meta = (await this.cache.get('meta', 'meta')) ?? {};
    const restored = beginning.epoch !== undefined && meta.epoch !== undefined && beginning.epoch !== meta.epoch;
    const anew = beginning.catch_up === 'resync' || restored || (meta.user !== undefined && meta.user !== this.me);
    if (anew) await this.clear();
    await this.meta({ user: this.me, ...(beginning.epoch ? { epoch: beginning.epoch } : {}) });
    const after = anew ? undefined : meta.resume;
    if (anew || beginning.catch_up !== 'streaming') await this.syncFrom(after, generation);
    else if (after !== undefined) await this.learn(after);
    await this.markers();
    await this.pullAll();
    await this.hooks.settled();
  }

  /** Takes over all that changed, then its place. */
  private async syncFrom(after: string | undefined, generation: number): Promise<void> {
    this.syncing += 1;
    const place = await this.pages(after, true);
    if (generation !== this.generation) return;
    this.syncing = Math.max(0, this.syncing - 1);
    if (this.syncing) return;
    await this.meta({ resume: this.held ?? place });
    this.held = undefined;
  }

  /** What notices would have told, or what a new conversation is called: without moving the place. */
  private async learn(after?: string): Promise<void> {
    await this.pages(after ?? (await this.resume()), false);
  }

  private async pages(after: string | undefined, mayPull: boolean): Promise<string> {
    for (;;) {
      const reply = await this.patiently({ type: 'sync', limit: 200, ...(after ? { after } : {}) });
      if (reply.type !== 'sync') throw new Lost('the answer to sync is none');
      await this.conversations(reply.conversations, reply.gone ?? [], mayPull);
      await this.users(reply.users ?? []);
      await this.settings(reply);
      after = reply.resume;
      if (!reply.more) return reply.resume;
    }
  }

  private async meet(strangers: readonly string[]): Promise<void> {
    const met = await Promise.all(strangers.slice(0, STRANGERS).map((user) => this.hooks.user(user).catch(() => undefined)));
    await this.users(met.filter((user) => user !== undefined));
  }

  private async markers(): Promise<void> {
    let after: string | undefined;
    for (;;) {
      const reply = await this.patiently({ type: 'conversations', limit: 200, ...(after ? { after } : {}) });
      if (reply.type !== 'conversations') throw new Lost('the answer to conversations is none');
      await this.conversations(reply.conversations, [], false);
      after = reply.conversations.at(-1)?.conversation;
      if (!reply.more || !after) break;
    }
    await this.readLate();
  }

  /** What was read while there was no line. */
  private async readLate(): Promise<void> {
    for (const record of await this.cache.getAll('conversations')) {
      if (record.read_late === undefined || record.gone) continue;
      await this.patiently({ type: 'mark_read', conversation: record.id, seq: record.read_late });
      await this.update(record.id, (now) => {
        if (now.read_late === record.read_late) now.read_late = undefined;
      });
    }
  }

  private async conversations(infos: readonly ConversationInfo[], gone: readonly string[], mayPull: boolean): Promise<void> {
    if (!infos.length && !gone.length) return;
    const tx = this.cache.transaction('conversations', 'readwrite');
    for (const info of infos) {
      const record = (await tx.store.get(info.conversation)) ?? log.emptyRecord(info.conversation);
      await tx.store.put(merged(record, info, mayPull));
    }
    for (const id of gone) {
      const record = await tx.store.get(id);
      if (record) await tx.store.put({ ...record, gone: true, pull: undefined, unread: 0 });
    }
    await tx.done;
    this.hooks.changed({ conversations: [...infos.map((info) => info.conversation), ...gone] });
  }

  private async users(users: readonly UserInfo[]): Promise<void> {
    if (!users.length) return;
    const tx = this.cache.transaction('users', 'readwrite');
    for (const user of users) await tx.store.put(user);
    await tx.done;
    this.hooks.changed({ users: true });
  }

  private async settings(page: SyncPage): Promise<void> {
    if (page.settings_stale) await this.hooks.settingsAnew((ask) => this.patiently(ask));
    else await this.hooks.settings(page.settings ?? []);
  }

  /** Pulls all that is to be pulled, one conversation after the other, those on screen first. */
  pullAll(): Promise<void> {
    this.pullAgain = true;
    this.pulling ??= this.pullWhile()
      .catch((error) => this.gaveUp(error))
      .finally(() => {
        this.pulling = undefined;
      });
    return this.pulling;
  }

  private async pullWhile(): Promise<void> {
    while (this.pullAgain) {
      this.pullAgain = false;
      await this.pullEach();
    }
  }

  private async pullEach(): Promise<void> {
    for (;;) {
      const due = (await this.cache.getAll('conversations')).filter((record) => record.pull !== undefined && !record.gone);
      const first = due.find((record) => this.watched.has(record.id)) ?? due.find((one) => one.have > 0) ?? due[0];
      if (!first) return;
      await this.pull(first);
    }
  }

  private async pull(record: ConversationRecord): Promise<void> {
    const far = record.have === 0 || (record.pull ?? 0) - record.have > log.FAR_BEHIND;
    const range = far ? { limit: NEWEST } : { after: record.have, limit: PAGE };
    let page: HistoryPage;
    try {
      const reply = await this.patiently({ type: 'history', conversation: record.id, ...range });
      if (reply.type !== 'history') throw new Lost('the answer to history is none');
      page = reply;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      // No longer ours to see.
      await this.update(record.id, (now) => Object.assign(now, { gone: error.code === 'not_found', pull: undefined }));
      return;
    }
    const take = far ? log.takeNewest : log.takePage;
    await this.took(await take(this.cache, this.me, record.id, page, record.pull ?? 0));
    const aside = this.aside.get(record.id);
    this.aside.delete(record.id);
    if (aside) await this.took(await log.take(this.cache, this.me, aside));
  }

  /** The page before what is held; false when there is none. */
  async older(conversation: string): Promise<boolean> {
    const record = await this.cache.get('conversations', conversation);
    if (!record || record.complete || record.have === 0 || record.gone) return false;
    const reply = await this.patiently({ type: 'history', conversation, before: record.from, limit: NEWEST });
    if (reply.type !== 'history') return false;
    await log.takeOlder(this.cache, conversation, record.from, reply);
    this.hooks.changed({ conversations: [conversation] });
    return true;
  }

  async notice(notice: Notice): Promise<void> {
    switch (notice.type) {
      case 'position':
        this.position(notice.resume);
        break;
      case 'behind':
        this.generation += 1;
        this.syncing = 0;
        await this.syncFrom(notice.resume, this.generation);
        await this.pullAll();
        break;
      case 'user':
        await this.users([notice]);
        break;
      case 'setting':
        await this.hooks.settings([notice]);
        break;
      case 'read':
        await this.read(notice.conversation, notice.user, notice.seq);
        break;
      default:
    }
  }

  /** `count`: that of the event there, if who tells it knows; else it is known only of what is held. */
  private async read(conversation: string, user: string, seq: number, count?: number): Promise<void> {
    const at = user === this.me ? (count ?? (await log.countAt(this.cache, conversation, seq))) : undefined;
    await this.update(conversation, (record) => {
      if (user !== this.me) record.others_read = Math.max(record.others_read, seq);
      else if (seq >= record.last_seq) log.readUpTo(record, seq, 0);
      else log.readUpTo(record, seq, at === undefined ? record.unread : Math.max(0, record.count - at));
    });
  }

  /** One has looked at it, up to here. */
  async markRead(conversation: string, seq: number, count?: number): Promise<void> {
    const record = await this.cache.get('conversations', conversation);
    if (!record || seq <= record.read_seq || record.gone) return;
    await this.read(conversation, this.me, seq, count);
    await this.update(conversation, (now) => {
      now.read_late = seq;
    });
    await this.hooks.ask({ type: 'mark_read', conversation, seq });
    await this.update(conversation, (now) => {
      if (now.read_late === seq) now.read_late = undefined;
    });
  }

  async update(conversation: string, change: (record: ConversationRecord) => void): Promise<void> {
    const tx = this.cache.transaction('conversations', 'readwrite');
    const record = await tx.store.get(conversation);
    if (record) {
      change(record);
      await tx.store.put(record);
    }
    await tx.done;
    if (record) this.hooks.changed({ conversations: [conversation] });
  }

  private async meta(change: { user?: string; epoch?: string; resume?: string }): Promise<void> {
    const tx = this.cache.transaction('meta', 'readwrite');
    await tx.store.put({ ...(await tx.store.get('meta')), ...change }, 'meta');
    await tx.done;
  }

  private async clear(): Promise<void> {
    this.aside.clear();
    const tx = this.cache.transaction(CACHE_STORES, 'readwrite');
    for (const store of CACHE_STORES) await tx.objectStore(store).clear();
    await tx.done;
  }

  /** Asks again as often as the server says "later". */
  private async patiently(ask: Ask): Promise<Reply> {
    for (;;) {
      try {
        return await this.hooks.ask(ask);
      } catch (error) {
        if (!(error instanceof Refused) || error.retryAfter === undefined) throw error;
        const wait = Math.min(error.retryAfter, LONGEST_WAIT_MS);
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  }
}
