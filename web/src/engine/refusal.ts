// What the server says no with, and what that means for a command that waits in the outbox (PROTOCOL.md, "Client ids and
// retries"). What must not live here: sentences for people, which are in src/i18n.
import type { Code } from '../proto';

export class Refused extends Error {
  constructor(
    readonly code: Code,
    message: string,
    readonly next: string,
    readonly retryAfter?: number,
  ) {
    super(message);
    this.name = 'Refused';
  }

  /** From `{"error": {...}}`, or nothing if it is none. */
  static from(frame: unknown): Refused | undefined {
    const error = (frame as { error?: Record<string, unknown> } | null)?.error;
    if (!error || typeof error.code !== 'string') return undefined;
    const wait = typeof error.retry_after_ms === 'number' ? error.retry_after_ms : undefined;
    return new Refused(error.code as Code, String(error.message ?? ''), String(error.next ?? ''), wait);
  }
}

/** No answer: the command may have been done or not. */
export class Lost extends Error {
  constructor(why: string) {
    super(why);
    this.name = 'Lost';
  }
}

export type Verdict = { is: 'later'; after: number } | { is: 'next-welcome' } | { is: 'done' } | { is: 'final' };

export function verdict(refused: Refused, type: string): Verdict {
  if (refused.retryAfter !== undefined) return { is: 'later', after: refused.retryAfter };
  switch (refused.code) {
    case 'internal':
    case 'read_only':
    case 'not_signed_in':
    case 'signed_out':
      return { is: 'next-welcome' };
    case 'no_change':
      return { is: 'done' };
    case 'already_member':
      return type === 'join' ? { is: 'done' } : { is: 'final' };
    default:
      return { is: 'final' };
  }
}
