// Who of those one shares a conversation with is here now, as far as the server tells it. What must not live here: when they
// were last here, which is asked for one by one.
import type { Notice } from '../proto';
import type { Ask } from './transport';
import type { Reply } from '../proto';

export class Presence {
  private here = new Set<string>();

  constructor(
    private readonly ask: (ask: Ask) => Promise<Reply>,
    private readonly changed: (online: string[]) => void,
  ) {}

  get online(): string[] {
    return [...this.here];
  }

  /** Holds for a connection, so it is asked for after each welcome. Over plain HTTP there are no notices, so nobody is shown. */
  async begin(): Promise<void> {
    const reply = await this.ask({ type: 'presence', on: true });
    if (reply.type === 'presence') this.set(new Set(reply.online));
  }

  notice(notice: Notice): void {
    if (notice.type !== 'presence' || this.here.has(notice.user) === notice.online) return;
    const now = new Set(this.here);
    if (notice.online) now.add(notice.user);
    else now.delete(notice.user);
    this.set(now);
  }

  /** Without a line nothing is known. */
  lost(): void {
    if (this.here.size) this.set(new Set());
  }

  private set(here: Set<string>): void {
    this.here = here;
    this.changed(this.online);
  }
}
