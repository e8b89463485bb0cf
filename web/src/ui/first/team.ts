// What the server says of itself to anybody: whether it is claimed, the team's name, and at which address a claim would have
// people come. What must not live here: pages.
import { signal } from '@preact/signals';
import type { Health } from '../../proto';
import { engine } from '../state';

export const team = signal('');
export const firstRun = signal<Health['first_run']>(undefined);

export async function askServer(): Promise<Health> {
  const health = await engine().api.health();
  team.value = health.team ?? '';
  firstRun.value = health.first_run;
  return health;
}

/** The address to begin with: the one that this page was opened by, since it leads here; but not one that leads nowhere from elsewhere. */
export function addressHere(guess: string, origin = location.origin, host = location.hostname): string {
  return /^(localhost|127\.|\[?::1)/.test(host) ? guess : origin;
}
