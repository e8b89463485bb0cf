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
