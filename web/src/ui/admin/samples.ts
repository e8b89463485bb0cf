// The figures of the last hour, as far as administration was open: the server keeps no series. What must not live here:
// drawing.
import { signal } from '@preact/signals';
import type { ServerHealth } from '../../proto';
import { type Sample, sampleOf } from './figures';
import { get } from './http';

export const EVERY_MS = 5_000;
const KEPT = 3_600_000 / EVERY_MS;

export const newest = signal<ServerHealth | undefined>(undefined);
export const trouble = signal<unknown>(undefined);
export const samples = signal<readonly Sample[]>([]);

let before: { at: number; health: ServerHealth } | undefined;
let watchers = 0;
let timer: ReturnType<typeof setInterval> | undefined;

export async function look(): Promise<void> {
  try {
    const one = { at: Date.now(), health: await get<ServerHealth>('admin/health') };
    samples.value = [...samples.value, sampleOf(one, before)].slice(-KEPT);
    before = one;
    newest.value = one.health;
    trouble.value = undefined;
  } catch (error) {
    trouble.value = error;
  }
}

/** Looks as long as somebody watches and the page is seen. */
export function watch(): () => void {
  watchers += 1;
  if (watchers === 1) {
    void look();
    timer = setInterval(() => document.visibilityState === 'visible' && void look(), EVERY_MS);
  }
  return () => {
    watchers -= 1;
    if (watchers === 0) clearInterval(timer);
  };
}
