// The figures of the last hour, as far as administration was open: the server keeps no series. What must not live here:
// drawing.
import { signal } from '@preact/signals';
import type { ServerHealth, Times } from '../../proto';
import { get } from './http';

export const EVERY_MS = 5_000;
const KEPT = 3_600_000 / EVERY_MS;

export interface Sample {
  /** By this browser's clock. */
  at: number;
  /** Acknowledged commands per second since the sample before. */
  rate: number;
  /** 95 of 100 acknowledgements since the sample before took at most this, in ms; nothing when there was none. */
  ack: number | undefined;
  connections: number;
  memory: number | undefined;
  /** Bytes per second written since the sample before. */
  written: number | undefined;
}

export const newest = signal<ServerHealth | undefined>(undefined);
export const trouble = signal<unknown>(undefined);
export const samples = signal<readonly Sample[]>([]);

let before: { at: number; health: ServerHealth } | undefined;
let watchers = 0;
let timer: ReturnType<typeof setInterval> | undefined;

/** How many came between two pictures of a histogram, by bound. */
export function between(one: Times, other: Times | undefined): Times {
  if (!other || other.counts.length !== one.counts.length) return one;
  return { ...one, counts: one.counts.map((n, at) => n - other.counts[at]!), sum: one.sum - other.sum };
}

/** The bound, in ms, under which such a share of all lies; nothing where there are none. What is over all bounds has no end. */
export function quantile(times: Times, share: number): number | undefined {
  const all = times.counts.reduce((sum, n) => sum + n, 0);
  if (all <= 0) return undefined;
  let seen = 0;
  for (const [at, n] of times.counts.entries()) {
    seen += n;
    if (seen >= all * share) return (times.bounds[at] ?? Infinity) / 1_000;
  }
  return undefined;
}

/** A sample needs two pictures of one life of the server: after a restart all counts begin anew. */
export function sampleOf(one: { at: number; health: ServerHealth }, earlier: { at: number; health: ServerHealth } | undefined): Sample {
  const { at, health } = one;
  const same = earlier && earlier.health.uptime_ms <= health.uptime_ms && at > earlier.at ? earlier : undefined;
  const seconds = same ? (at - same.at) / 1_000 : 0;
  const written = health.disk.written ?? undefined;
  const writtenBefore = same?.health.disk.written ?? undefined;
  return {
    at,
    rate: same ? (health.acks - same.health.acks) / seconds : 0,
    ack: same ? quantile(between(health.ack, same.health.ack), 0.95) : undefined,
    connections: health.connections,
    memory: health.memory.resident ?? undefined,
    written: written !== undefined && writtenBefore !== undefined ? (written - writtenBefore) / seconds : undefined,
  };
}

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
