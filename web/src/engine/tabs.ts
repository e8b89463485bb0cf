// What the tabs of a browser tell each other: what changed, what the line is, and requests for the tab that holds it.
// What must not live here: who holds it (leader.ts).
import type { Notice, Reply } from '../proto';
import { uuidv7 } from './ids';
import type { OutboxRow } from './records';
import { Lost, Refused } from './refusal';
import type { Ask, Line } from './transport';

/** What looks different now. It names no contents: each tab reads them from the databases. */
export interface Changed {
  conversations?: string[];
  users?: boolean;
  outbox?: boolean;
  /** In this tab: it is being written down. */
  writing?: OutboxRow;
  session?: boolean;
  /** Of one's own. */
  settings?: boolean;
  /** Those who are here now. */
  online?: string[];
  /** What was missed is here, since the line was there again: what is not in the copy now is not there, or not for oneself. */
  settled?: boolean;
  line?: Line;
  /** How many bytes of a row's file are up. */
  progress?: { client_id: string; sent: number };
  /** Of passing interest: typing. */
  notice?: Notice;
}

type Message =
  | { is: 'changed'; changed: Changed }
  | { is: 'outbox' }
  | { is: 'who' }
  | { is: 'call'; id: string; call: Call }
  | { is: 'answer'; id: string; reply?: unknown; refused?: { code: string; message: string; next: string; after?: number }; lost?: string };

/** What only the tab with the line can do. */
export type Call =
  | { do: 'ask'; ask: Ask }
  | { do: 'watch'; conversation: string }
  | { do: 'older'; conversation: string }
  | { do: 'read'; conversation: string; seq: number; count?: number | undefined }
  | { do: 'wake' }
  | { do: 'unpark' };

export interface TabHooks {
  changed: (changed: Changed) => void;
  /** Another tab wrote into the outbox. */
  outbox: () => void;
  /** A tab asks what the line is. */
  who: () => void;
  /** Only the leader answers. */
  call: (call: Call) => Promise<unknown> | undefined;
}

const PATIENCE_MS = 30_000;

export class Tabs {
  private channel: BroadcastChannel | undefined;
  private readonly waiting = new Map<string, { call: Call; resolve: (reply: unknown) => void; reject: (error: Error) => void }>();
  /** Another tab has said what the line is. */
  private led = false;

  constructor(
    name: string,
    private readonly hooks: TabHooks,
  ) {
    this.channel = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel(name);
    if (this.channel) this.channel.onmessage = (event: MessageEvent) => void this.take(event.data as Message);
  }

  close(): void {
    this.channel?.close();
    this.channel = undefined;
    this.release('the tab closes');
  }

  /** This tab holds the line now. What was asked before any had it is done here; whether another did the rest nobody knows. */
  won(done: (call: Call) => Promise<unknown>): void {
    if (this.led) return this.release('this tab holds the line now');
    const asked = [...this.waiting.values()];
    this.waiting.clear();
    for (const { call, resolve, reject } of asked) done(call).then(resolve, reject);
  }

  /** Nobody will answer what was asked of another tab. */
  private release(why: string): void {
    for (const one of this.waiting.values()) one.reject(new Lost(why));
    this.waiting.clear();
  }

  tell(changed: Changed): void {
    this.post({ is: 'changed', changed });
  }
  outbox(): void {
    this.post({ is: 'outbox' });
  }
  who(): void {
    this.post({ is: 'who' });
  }

  /** Asks the tab with the line. */
  call(call: Call): Promise<unknown> {
    const id = uuidv7();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(new Lost('no tab answered'));
      }, PATIENCE_MS);
      const end =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer);
          then(value);
        };
      this.waiting.set(id, { call, resolve: end(resolve), reject: end(reject) });
      this.post({ is: 'call', id, call });
    });
  }

  private post(message: Message): void {
    this.channel?.postMessage(message);
  }

  private async take(message: Message): Promise<void> {
    switch (message.is) {
      case 'changed':
        this.led ||= message.changed.line !== undefined;
        this.hooks.changed(message.changed);
        break;
      case 'outbox':
        this.hooks.outbox();
        break;
      case 'who':
        this.hooks.who();
        break;
      case 'call':
        await this.answer(message.id, message.call);
        break;
      case 'answer':
        this.answered(message);
    }
  }

  private async answer(id: string, call: Call): Promise<void> {
    const answer = this.hooks.call(call);
    if (!answer) return;
    try {
      this.post({ is: 'answer', id, reply: (await answer) as Reply | undefined });
    } catch (error) {
      if (error instanceof Refused) {
        const { code, message, next, retryAfter: after } = error;
        this.post({ is: 'answer', id, refused: { code, message, next, ...(after === undefined ? {} : { after }) } });
      } else this.post({ is: 'answer', id, lost: String(error) });
    }
  }

  private answered(message: Message & { is: 'answer' }): void {
    const waiting = this.waiting.get(message.id);
    if (!waiting) return;
    this.waiting.delete(message.id);
    const { refused } = message;
    if (refused) waiting.reject(new Refused(refused.code as Refused['code'], refused.message, refused.next, refused.after));
    else if (message.lost !== undefined) waiting.reject(new Lost(message.lost));
    else waiting.resolve(message.reply);
  }
}
