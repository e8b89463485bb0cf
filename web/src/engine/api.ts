// The server over plain HTTP: accounts, and the fallback's commands and polls. What must not live here: when they are called.
import type {
  AcceptInvitation,
  Accepted,
  AskToPair,
  AwaitPairing,
  ChangeServer,
  CheckInvitation,
  CheckReset,
  Claim,
  Health,
  InvitationCheck,
  InvitationInfo,
  JoinServer,
  NewInvitation,
  NewRecoveryKey,
  Paired,
  PairingTicket,
  PollPage,
  RecoveryKey,
  Reply,
  NewReport,
  Reported,
  ResetCheck,
  ServerInfo,
  SignIn,
  SignedIn,
  UseReset,
  UserProfile,
} from '../proto';
import type { Change } from './records';
import type { Frame } from './transport';
import { Lost, Refused } from './refusal';

/** A poll answers within 25 seconds; anything else much sooner. */
const PATIENCE_MS = 20_000;
const POLL_MS = 40_000;

export class Api {
  token: string | undefined;

  constructor(
    /** Without a slash at its end; empty for the page's own server. */
    readonly base = '',
    readonly http: typeof fetch = (...args) => fetch(...args),
  ) {}

  health(): Promise<Health> {
    return this.call('GET', '/health');
  }
  claim(body: Claim): Promise<SignedIn> {
    return this.call('POST', '/api/v1/claim', body);
  }
  checkInvitation(body: CheckInvitation): Promise<InvitationCheck> {
    return this.call('POST', '/api/v1/invitations/check', body);
  }
  join(body: JoinServer): Promise<SignedIn> {
    return this.call('POST', '/api/v1/join', body);
  }
  signIn(body: SignIn): Promise<SignedIn> {
    return this.call('POST', '/api/v1/sign-in', body);
  }
  checkReset(body: CheckReset): Promise<ResetCheck> {
    return this.call('POST', '/api/v1/reset/check', body);
  }
  reset(body: UseReset): Promise<SignedIn> {
    return this.call('POST', '/api/v1/reset', body);
  }
  signOut(): Promise<void> {
    return this.call('POST', '/api/v1/sign-out');
  }
  invite(body: NewInvitation): Promise<InvitationInfo> {
    return this.call('POST', '/api/v1/invitations', body);
  }
  server(): Promise<ServerInfo> {
    return this.call('GET', '/api/v1/server');
  }
  changeServer(body: ChangeServer): Promise<ServerInfo> {
    return this.call('PATCH', '/api/v1/server', body);
  }
  recoveryKey(body: NewRecoveryKey): Promise<RecoveryKey> {
    return this.call('POST', '/api/v1/server/recovery-key', body);
  }
  pair(body: AskToPair): Promise<PairingTicket> {
    return this.call('POST', '/api/v1/pair', body);
  }
  awaitPairing(body: AwaitPairing): Promise<Paired> {
    return this.call('POST', '/api/v1/pair/wait', body, undefined, POLL_MS);
  }
  user(id: string): Promise<UserProfile> {
    return this.call('GET', `/api/v1/users/${encodeURIComponent(id)}`);
  }
  accept(body: AcceptInvitation): Promise<Accepted> {
    return this.call('POST', '/api/v1/invitations/accept', body);
  }
  report(body: NewReport): Promise<Reported> {
    return this.call('POST', '/api/v1/reports', body);
  }
  command(frame: Frame): Promise<Reply> {
    return this.call('POST', '/api/v1/commands', frame);
  }
  /** From a page that goes: nobody hears the answer. The same comes again with the same client id, if somebody opens a page. */
  lastWord(change: Change): void {
    void this.http(`${this.base}/api/v1/commands`, { ...this.word(change), keepalive: true }).catch(() => {});
  }
  /**
   * The same, left with the browser beforehand where it takes such (the Fetch Standard's `fetchLater`): it says it when the page
   * is gone, even if the page had no time for its own last word. Gives what takes it back.
   */
  whenGone(change: Change): () => void {
    const { fetchLater } = globalThis as { fetchLater?: (url: string, init: RequestInit) => unknown };
    const taken = new AbortController();
    try {
      fetchLater?.(`${this.base}/api/v1/commands`, { ...this.word(change), signal: taken.signal });
    } catch {
      // No secure context, or no room for more of it: the page's own last word is left.
    }
    return () => taken.abort();
  }
  private word(change: Change): RequestInit {
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${this.token ?? ''}` };
    return { method: 'POST', headers, body: JSON.stringify({ id: 1, ...change }), credentials: 'omit' };
  }
  poll(after: string | undefined, wait: number, stop?: AbortSignal): Promise<PollPage> {
    const query = new URLSearchParams({ wait: String(wait) });
    if (after) query.set('after', after);
    return this.call('GET', `/api/v1/sync?${query}`, undefined, stop, POLL_MS);
  }

  /** What has no name of its own here: pages that are loaded later ask by this. */
  async call<T>(method: string, path: string, body?: unknown, stop?: AbortSignal, patience = PATIENCE_MS): Promise<T> {
    const headers: Record<string, string> = {};
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    const cut = new AbortController();
    const timer = setTimeout(() => cut.abort(), patience);
    const stopped = () => cut.abort();
    stop?.addEventListener('abort', stopped);
    try {
      const init: RequestInit = { method, headers, signal: cut.signal, cache: 'no-store', credentials: 'omit' };
      if (body !== undefined) init.body = JSON.stringify(body);
      const response = await this.http(`${this.base}${path}`, init);
      if (response.status === 204) return undefined as T;
      const value: unknown = await response.json();
      const refused = Refused.from(value);
      if (refused) throw refused;
      if (!response.ok && path !== '/health') throw new Lost(`the answer was ${response.status}`);
      return value as T;
    } catch (error) {
      if (error instanceof Refused || error instanceof Lost) throw error;
      throw new Lost(String(error));
    } finally {
      clearTimeout(timer);
      stop?.removeEventListener('abort', stopped);
    }
  }
}
