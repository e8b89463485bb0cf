// The whole engine of one tab: the copy, the outbox, the line, and the other tabs. What must not live here: anything that
// shows, and what the parts do.
import type { Reply, SignedIn } from '../proto';
import { Api } from './api';
import { assemble } from './assemble';
import { type Cache, CACHE_STORES, deviceId, type Keep, NAMES, type Names, openCache, openKeep, readSession, writeSession } from './db';
import { uuidv7 } from './ids';
import { readBack, readOn } from './log';
import type { Options, Within } from './parts';
import { type Change, type ConversationRecord, type Entry, type NewFile, type OutboxRow, placed, type Session, type SettingRecord, type UserRecord } from './records';
import type { Undone, Wish } from './settings';
import { type Call, type Changed, Tabs } from './tabs';
import type { Ask, Line } from './transport';

export type { Options } from './parts';

/** So long a command that was held may be taken back. */
export const HOLD_MS = 6_000;

export class Engine {
  line: Line = 'connecting';
  /** All that was missed has come, since the line was there again. */
  settled = false;
  private within: Within | undefined;
  /** What was meant to be held and is not yet known to be done, by its place in the outbox: said when the page goes. */
  private readonly held = new Map<number, { change: Change; forget: () => void }>();
  private readonly tabs: Tabs;

  private constructor(
    private readonly options: Options,
    private readonly cache: Cache,
    private readonly keep: Keep,
    readonly api: Api,
  ) {
    this.tabs = new Tabs(this.names.keep, {
      changed: (changed) => void this.heard(changed),
      outbox: () => this.within && this.kick(this.within),
      who: () => {
        if (this.within?.leadership.leads) this.tabs.tell({ line: this.line, online: this.within.presence.online, settled: this.settled });
      },
      call: (call) => (this.within?.leadership.leads ? this.done(this.within, call) : undefined),
    });
  }

  static async open(options: Options): Promise<Engine> {
    const names = options.names ?? NAMES;
    const outdated = options.outdated ?? (() => {});
    const [cache, keep] = await Promise.all([openCache(names, outdated), openKeep(names, outdated)]);
    const engine = new Engine(options, cache, keep, new Api(options.base, options.http));
    const session = await readSession(keep);
    if (session) await engine.begin(session);
    return engine;
  }

  private get names(): Names {
    return this.options.names ?? NAMES;
  }
  get session(): Session | undefined {
    return this.within?.session;
  }
  get leads(): boolean {
    return this.within?.leadership.leads ?? false;
  }

  device(anew = false): Promise<string> {
    return deviceId(this.keep, anew);
  }

  async entered(signedIn: SignedIn): Promise<void> {
    const { token, user, name, display_name, role } = signedIn;
    const session: Session = { token, user, name, display_name, role };
    this.leave();
    const meta = await this.cache.get('meta', 'meta');
    if (meta?.user !== undefined && meta.user !== user) await this.forgetCopy();
    await writeSession(this.keep, session);
    await this.begin(session);
    this.tell({ session: true });
  }

  /** Tells the server, and goes even if it cannot be told. The outbox stays for whoever wrote it. */
  async signOut(): Promise<void> {
    // What the server then says of this device is no news.
    this.leave();
    await this.api.signOut().catch(() => {});
    await this.ended();
    await this.forgetCopy();
    this.tell({ session: true });
  }

  close(): void {
    this.leave();
    this.tabs.close();
    this.cache.close();
    this.keep.close();
  }

  private async ended(): Promise<void> {
    this.leave();
    this.api.token = undefined;
    await writeSession(this.keep, undefined);
  }

  private async forgetCopy(): Promise<void> {
    const tx = this.cache.transaction(CACHE_STORES, 'readwrite');
    for (const store of CACHE_STORES) await tx.objectStore(store).clear();
    await tx.done;
  }

  /** The page is left or loaded anew. */
  away = (): void => {
    for (const { change } of this.held.values()) this.api.lastWord(change);
    this.within?.leadership.away();
  };

  private leave(): void {
    const { within } = this;
    this.within = undefined;
    for (const n of this.held.keys()) this.unheld(n);
    this.settled = false;
    if (!within) return;
    within.leadership.resign();
    within.settings.stop();
    within.sender.sleep();
    within.carrier.stop();
    within.sync.stop();
    within.transport.stop();
  }

  private async begin(session: Session): Promise<void> {
    this.api.token = session.token;
    const { options, names, cache, keep, api } = this;
    const within = assemble(session, { options, names, cache, keep, api }, {
      tell: (changed) => this.tell(changed),
      ask: (ask) => this.ask(ask),
      line: (line) => {
        if (line !== 'online' && line !== 'fallback') this.settled = false;
        this.line = line;
        this.tell({ line, settled: this.settled });
      },
      won: () => this.tabs.won((call) => this.run(call)),
      online: () => this.line === 'online' || this.line === 'fallback',
      settled: () => {
        this.settled = true;
        this.tell({ settled: true });
      },
      signedOut: () => void this.signedOut(),
    });
    this.within = within;
    this.tabs.who();
    for (const row of await within.outbox.rows()) if (row.state === 'held') this.letGo(within, row, row.created + HOLD_MS - Date.now());
  }

  private async signedOut(): Promise<void> {
    await this.ended();
    this.tell({ session: true, line: 'signed-out' });
  }

  /** To this tab and the others. */
  private tell(changed: Changed): void {
    if (changed.outbox) void this.lookAtHeld();
    this.options.changed(changed);
    this.tabs.tell(changed);
  }

  private async heard(changed: Changed): Promise<void> {
    if (changed.line) this.line = changed.line;
    if (changed.settled !== undefined) this.settled = changed.settled;
    if (changed.session) {
      const session = await readSession(this.keep);
      if (session?.token !== this.session?.token) {
        this.leave();
        if (session) await this.begin(session);
      }
    }
    if (changed.outbox) void this.lookAtHeld();
    this.options.changed(changed);
  }

  private run(call: Call): Promise<unknown> {
    const { within } = this;
    if (!within) return Promise.reject(new Error('nobody is signed in'));
    return within.leadership.leads ? this.done(within, call) : this.tabs.call(call);
  }

  private async done(within: Within, call: Call): Promise<unknown> {
    switch (call.do) {
      case 'ask':
        return within.transport.ask(call.ask);
      case 'watch':
        return void within.sync.watch(call.conversation);
      case 'older':
        return within.sync.older(call.conversation);
      case 'read':
        return within.sync.markRead(call.conversation, call.seq, call.count);
      case 'wake':
        return within.transport.wake();
      case 'unpark':
        return within.sender.unpark();
    }
  }

  // What a page asks for.

  ask(ask: Ask): Promise<Reply> {
    return this.run({ do: 'ask', ask }) as Promise<Reply>;
  }
  watch(conversation: string): void {
    void this.run({ do: 'watch', conversation }).catch(() => {});
  }
  /** True if there was an older page. */
  older(conversation: string): Promise<boolean> {
    return this.run({ do: 'older', conversation }) as Promise<boolean>;
  }
  /** `count`: what the event there says of it, which is known here only of what is held. */
  markRead(conversation: string, seq: number, count?: number): void {
    void this.run({ do: 'read', conversation, seq, count }).catch(() => {});
  }
  /** Who has read one's own newest message, which notices may have told while nobody listened. */
  async askReaders(conversation: string, seq: number): Promise<void> {
    const { within } = this;
    const reply = await this.ask({ type: 'readers', conversation, seq, limit: 2 });
    if (reply.type !== 'readers' || !within) return;
    const others = reply.readers.filter((reader) => reader.user !== within.session.user).map((reader) => reader.seq);
    const upto = Math.max(0, ...others);
    await within.sync.update(conversation, (record) => {
      record.others_read = Math.max(record.others_read, upto);
    });
  }
  wake(): void {
    void this.run({ do: 'wake' }).catch(() => {});
  }

  conversations(): Promise<ConversationRecord[]> {
    return this.cache.getAll('conversations');
  }
  conversation(id: string): Promise<ConversationRecord | undefined> {
    return this.cache.get('conversations', id);
  }
  users(): Promise<UserRecord[]> {
    return this.cache.getAll('users');
  }
  entries(conversation: string, before: number, limit: number): Promise<Entry[]> {
    return readBack(this.cache, conversation, before, limit);
  }
  later(conversation: string, after: number, limit: number): Promise<Entry[]> {
    return readOn(this.cache, conversation, after, limit);
  }
  entry(conversation: string, seq: number): Promise<Entry | undefined> {
    return this.cache.get('entries', [conversation, seq]);
  }
  /** Of one's own, as one wishes them; cleared ones have no value. */
  async settings(): Promise<SettingRecord[]> {
    return (await this.within?.settings.all()) ?? [];
  }
  /** Holds at once, also without a line; refused only if the server says so. */
  async set(wish: Wish): Promise<void> {
    await this.within?.settings.wish(wish);
  }
  /** The server has heard of all that was wished, or cannot now. */
  async wishesTold(): Promise<void> {
    await this.within?.settings.flush();
  }
  /** Wishes that were refused when nobody waited for the answer. */
  async undone(): Promise<Undone[]> {
    return (await this.within?.settings.undone()) ?? [];
  }
  /** What is still to be told of a thread, if anything. */
  async following(conversation: string, thread: number): Promise<boolean | undefined> {
    return this.within?.settings.following(conversation, thread);
  }
  /** The person has seen it. */
  async seen(undone: Undone): Promise<void> {
    await this.within?.settings.seen(undone);
  }
  /** Holds only once the server has it: for what is kept elsewhere until then, as a draft is. */
  async setNow(wish: Wish): Promise<void> {
    await this.within?.settings.tell(wish);
  }
  /** Also what is being written down just now. */
  async outbox(): Promise<OutboxRow[]> {
    return (await this.within?.outbox.shown()) ?? [];
  }

  /** Writes a command down; it is sent when it can be. `to` is a conversation, for the first words to them a person, or neither. */
  async post(to: ConversationRecord | { user: string } | 'new', change: { type: string } & Record<string, unknown>): Promise<OutboxRow> {
    const client_id = uuidv7();
    const [lane, place] = placed(to, client_id);
    return this.write(lane, { client_id, ...place, ...change });
  }
  /** The same, but for a moment it may still be taken back, by `discard`. It goes also if this page is closed meanwhile. */
  async hold(to: ConversationRecord, change: { type: string } & Record<string, unknown>): Promise<OutboxRow> {
    const client_id = uuidv7();
    const [lane, place] = placed(to, client_id);
    return this.write(lane, { client_id, ...place, ...change }, HOLD_MS);
  }

  private async write(lane: string, change: Change, hold = 0): Promise<OutboxRow> {
    const { within } = this;
    if (!within) throw new Error('nobody is signed in');
    const state = hold ? 'held' : 'waiting';
    const writing = within.outbox.add(lane, change, state, (row) => this.options.changed({ writing: row }));
    const row = await writing.finally(() => this.tell({ outbox: true }));
    if (hold) this.letGo(within, row, hold);
    else this.kick(within);
    return row;
  }

  /** Writes a message down that carries a file, with the file's bytes. `more` is what else belongs to the command. */
  async postFile(to: ConversationRecord | { user: string }, file: NewFile, more: Record<string, unknown> = {}): Promise<OutboxRow> {
    const { within } = this;
    if (!within) throw new Error('nobody is signed in');
    const client_id = uuidv7();
    const [lane, place] = placed(to, client_id);
    const row = await within.outbox.addFile(lane, { client_id, ...place, type: 'send', ...more }, file);
    this.tell({ outbox: true });
    this.kick(within);
    return row;
  }

  /** The bytes that a message waits to bring, to show them meanwhile. */
  async waitingBytes(row: OutboxRow): Promise<Blob | undefined> {
    return this.within?.outbox.bytes(row);
  }

  private letGo(within: Within, { n, change }: OutboxRow, after: number): void {
    this.held.set(n, { change, forget: this.api.whenGone(change) });
    const go = async () => {
      if (this.within !== within || !(await within.outbox.release(n))) return;
      this.tell({ outbox: true });
      this.kick(within);
    };
    setTimeout(() => void go(), Math.min(Math.max(after, 0), HOLD_MS));
  }

  private unheld(n: number): void {
    this.held.get(n)?.forget();
    this.held.delete(n);
  }

  /** What was taken back, here or in another tab, or is done, is said no more. */
  private async lookAtHeld(): Promise<void> {
    const asked = [...this.held.keys()];
    if (!asked.length || !this.within) return;
    // A closing page has no outbox any more.
    const rows = await this.within.outbox.rows().catch(() => []);
    const open = rows.filter(({ state }) => state === 'held' || state === 'waiting');
    const still = new Set(open.map(({ n }) => n));
    for (const n of asked) if (!still.has(n)) this.unheld(n);
  }

  async retry(n: number): Promise<void> {
    await this.within?.outbox.retry(n);
    this.tell({ outbox: true });
    if (this.within) this.kick(this.within);
  }

  async discard(n: number): Promise<void> {
    this.unheld(n);
    await this.within?.outbox.remove(n);
    this.tell({ outbox: true });
    if (this.within) this.kick(this.within);
  }

  private kick(within: Within): void {
    if (!within.leadership.leads) return this.tabs.outbox();
    void within.sender.kick();
    void within.carrier.kick();
  }
}
