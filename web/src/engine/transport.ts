// The line to the server: a socket that is opened again and again, or plain HTTP where none comes through. What must not
// live here: what frames mean, and what is on disk.
import type { CatchUp, Event, Notice, Reply, Welcome } from '../proto';
import type { Api } from './api';
import { Backoff } from './backoff';
import { Lost, Refused } from './refusal';

export type Frame = { id: number; type: string } & Record<string, unknown>;
export type Ask = { type: string } & Record<string, unknown>;
export type Line = 'connecting' | 'online' | 'fallback' | 'offline' | 'signed-out';

/** What a connection begins with; over plain HTTP there is no `welcome`, so less is known. */
export type Beginning = { catch_up: CatchUp; resume: string } & Partial<Pick<Welcome, 'epoch' | 'limits' | 'capabilities'>>;

export interface Heard {
  line(line: Line): void;
  /** May take its time; events that come meanwhile are told of, too. */
  begin(beginning: Beginning): void;
  events(events: Event[]): void;
  notice(notice: Notice): void;
  /** After the events of a poll: what `position` is on a socket. */
  position(resume: string): void;
  signedOut(): void;
}

export interface Surroundings {
  url: string;
  api: Api;
  token: () => string;
  resume: () => Promise<string | undefined>;
  socket?: (url: string, protocol: string) => WebSocket;
  random?: () => number;
}

const PROTOCOL = 'kinglet.v1';
const OPEN_MS = 12_000;
/** A request without an answer for so long means that the network is gone, whatever the socket says. */
const ANSWER_MS = 20_000;
/** Sockets that never got to a welcome, before HTTP is tried. */
const FALLBACK_AFTER = 2;
const BACK_TO_SOCKET_MS = 300_000;
const POLL_SECONDS = 25;

interface Waiting {
  resolve: (reply: Reply) => void;
  reject: (error: Error) => void;
  timer: ReturnType<typeof setTimeout>;
}

export class Transport {
  private readonly backoff: Backoff;
  private readonly waiting = new Map<number, Waiting>();
  private socket: WebSocket | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private nextId = 1;
  private failed = 0;
  private stopped = true;
  private polling: AbortController | undefined;
  private line: Line = 'offline';
  private tried!: () => void;
  /** Until the first attempt has ended, one way or the other. */
  private readonly attempt = new Promise<void>((then) => {
    this.tried = then;
  });

  constructor(
    private readonly around: Surroundings,
    private readonly heard: Heard,
  ) {
    this.backoff = new Backoff(around.random);
  }

  start(): void {
    if (!this.stopped) return;
    this.stopped = false;
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.polling?.abort();
    this.drop('stopped');
    if (this.line !== 'signed-out') this.tell('offline');
  }

  get ready(): boolean {
    return this.line === 'online' || this.line === 'fallback';
  }

  /** The network may be back, or the page was looked at again: try now, and see whether an open socket still lives. */
  wake(): void {
    if (this.stopped) return;
    this.backoff.reset();
    if (this.line === 'online') void this.ask({ type: 'settings', limit: 1 }).catch(() => {});
    else if (this.line === 'fallback') this.leaveFallback();
    else if (!this.socket) this.connect();
  }

  /** What a page asks while it is being opened waits for the first attempt; later a line is there or is not. */
  async ask(ask: Ask): Promise<Reply> {
    if (!this.ready) await this.attempt;
    if (this.line === 'fallback') return this.around.api.command({ ...ask, id: this.nextId++ });
    const { socket } = this;
    if (this.line !== 'online' || !socket) throw new Lost('there is no connection');
    return this.send(socket, ask);
  }

  private send(socket: WebSocket, ask: Ask): Promise<Reply> {
    const id = this.nextId++;
    return new Promise<Reply>((resolve, reject) => {
      const timer = setTimeout(() => this.drop('no answer came'), ANSWER_MS);
      this.waiting.set(id, { resolve, reject, timer });
      socket.send(JSON.stringify({ ...ask, id }));
    });
  }

  private tell(line: Line): void {
    if (line === this.line) return;
    this.line = line;
    this.heard.line(line);
  }

  private connect(): void {
    clearTimeout(this.timer);
    if (this.stopped || this.socket) return;
    if (this.line !== 'fallback') this.tell('connecting');
    let socket: WebSocket;
    try {
      const make = this.around.socket ?? ((url, protocol) => new WebSocket(url, protocol));
      socket = make(this.around.url, PROTOCOL);
    } catch {
      this.tried();
      this.again();
      return;
    }
    this.socket = socket;
    const slow = setTimeout(() => this.drop('it took too long to open'), OPEN_MS);
    socket.onopen = () => void this.hello(socket, slow);
    socket.onmessage = (message) => {
      if (socket === this.socket) this.take(String(message.data));
    };
    socket.onerror = () => {};
    socket.onclose = (close) => {
      clearTimeout(slow);
      if (socket === this.socket) this.closed(close.code);
    };
  }

  private async hello(socket: WebSocket, slow: ReturnType<typeof setTimeout>): Promise<void> {
    const resume = await this.around.resume();
    if (socket !== this.socket) return;
    try {
      const reply = await this.send(socket, { type: 'hello', token: this.around.token(), ...(resume ? { resume } : {}) });
      clearTimeout(slow);
      if (socket !== this.socket || reply.type !== 'welcome') return;
      this.failed = 0;
      this.backoff.reset();
      this.polling?.abort();
      this.tell('online');
      this.tried();
      this.heard.begin(reply);
    } catch (error) {
      if (error instanceof Refused) this.refused(error);
    }
  }

  private refused(error: Refused): void {
    if (error.code === 'signed_out' || error.code === 'not_signed_in') this.signOut();
    else this.drop(error.message, error.retryAfter ?? 0);
  }

  private take(text: string): void {
    let frame: { re?: number; type?: string };
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    const refused = Refused.from(frame);
    if (refused || frame.re !== undefined) {
      const waiting = frame.re === undefined ? undefined : this.waiting.get(frame.re);
      if (!waiting) {
        if (refused) this.refused(refused);
        return;
      }
      this.waiting.delete(frame.re!);
      clearTimeout(waiting.timer);
      if (refused) waiting.reject(refused);
      else waiting.resolve(frame as unknown as Reply);
    } else if (frame.type === 'event') this.heard.events([frame as unknown as Event]);
    else this.heard.notice(frame as unknown as Notice);
  }

  private closed(code: number): void {
    if (code === 4401) this.signOut();
    else this.drop(`the connection closed with ${code}`);
  }

  /** Ends this socket, tells who waits, and plans the next. */
  private drop(why: string, atLeast = 0): void {
    const { socket } = this;
    this.socket = undefined;
    this.tried();
    if (socket && socket.readyState < 2) socket.close();
    const { waiting } = this;
    for (const [id, one] of [...waiting]) {
      waiting.delete(id);
      clearTimeout(one.timer);
      one.reject(new Lost(why));
    }
    if (this.stopped) return;
    if (this.line === 'connecting') this.failed += 1;
    if (this.line === 'online') this.tell('connecting');
    if (socket || atLeast) this.again(atLeast);
  }

  private again(atLeast = 0): void {
    clearTimeout(this.timer);
    if (this.line === 'fallback') {
      this.timer = setTimeout(() => this.connect(), BACK_TO_SOCKET_MS);
      return;
    }
    this.timer = setTimeout(() => this.connect(), this.backoff.next(atLeast));
    if (this.failed >= FALLBACK_AFTER) void this.tryFallback();
    else this.tell('connecting');
  }

  private signOut(): void {
    this.tell('signed-out');
    this.stop();
    this.heard.signedOut();
  }

  /** If plain HTTP comes through where the socket does not, it has to do. */
  private async tryFallback(): Promise<void> {
    if (this.polling && !this.polling.signal.aborted) return;
    const polling = new AbortController();
    this.polling = polling;
    try {
      const first = await this.around.api.poll(await this.around.resume(), 0, polling.signal);
      if (this.socket?.readyState === 1 || polling.signal.aborted) return;
      clearTimeout(this.timer);
      this.drop('plain HTTP is used instead');
      this.tell('fallback');
      this.again();
      this.heard.begin({ catch_up: first.catch_up, resume: first.resume });
      if (first.catch_up === 'streaming') this.polled(first.events, first.resume);
      await this.pollOn(first.resume, polling.signal);
    } catch (error) {
      this.pollFailed(error, polling);
    }
  }

  private polled(events: Event[], resume: string): void {
    if (events.length) this.heard.events(events);
    this.heard.position(resume);
  }

  private async pollOn(from: string, stop: AbortSignal): Promise<void> {
    let after = from;
    while (!stop.aborted) {
      const page = await this.around.api.poll(after, POLL_SECONDS, stop);
      if (stop.aborted) return;
      if (page.catch_up !== 'streaming') this.heard.begin({ catch_up: page.catch_up, resume: page.resume });
      this.polled(page.events, page.resume);
      after = page.resume;
    }
  }

  private pollFailed(error: unknown, polling: AbortController): void {
    const quiet = polling.signal.aborted;
    polling.abort();
    if (quiet || this.stopped) return;
    if (error instanceof Refused && (error.code === 'signed_out' || error.code === 'not_signed_in')) {
      this.signOut();
      return;
    }
    this.tell('offline');
    this.leaveFallback(error instanceof Refused ? error.retryAfter : undefined);
  }

  private leaveFallback(atLeast?: number): void {
    this.polling?.abort();
    clearTimeout(this.timer);
    if (this.socket) return;
    if (atLeast === undefined && this.line === 'fallback') {
      this.failed = 0;
      this.line = 'offline';
      this.connect();
    } else {
      this.timer = setTimeout(() => this.connect(), this.backoff.next(atLeast ?? 0));
    }
  }
}
