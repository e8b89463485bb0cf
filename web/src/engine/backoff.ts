// How long to wait before the next try: a random part of a bound that doubles. What must not live here: what is tried.

export const FIRST_MS = 1_000;
export const LONGEST_MS = 60_000;

export class Backoff {
  private bound = FIRST_MS;

  constructor(private readonly random: () => number = Math.random) {}

  /** At least what the server asked for. */
  next(atLeast = 0): number {
    const wait = this.random() * this.bound;
    this.bound = Math.min(this.bound * 2, LONGEST_MS);
    return Math.max(wait, atLeast);
  }

  reset(): void {
    this.bound = FIRST_MS;
  }
}
