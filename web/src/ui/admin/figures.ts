// What follows from the server's figures: paces, shares, and what somebody should do something about. What must not live here:
// asking for them, words.
import type { ServerHealth, Times } from '../../proto';

/** A share from which on a thing is nearly used up. */
export const NEAR = 0.9;
/** A certificate that ends within two weeks should have been renewed. */
export const SOON_MS = 14 * 86_400_000;
/** Acknowledgements that take longer are felt. */
export const SLOW_MS = 250;

export type Trouble = 'read_only' | 'full' | 'disk' | 'clock' | 'connections' | 'refusedNow' | 'memory' | 'slow' | 'panics' | 'certificate';

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

/** What a person should do something about, the worst first. */
export function troubles(health: ServerHealth): Trouble[] {
  const { disk, memory } = health;
  const median = quantile(health.ack, 0.95) ?? 0;
  const found: [Trouble, boolean][] = [
    ['read_only', health.status === 'read_only'],
    ['full', health.status === 'full'],
    ['disk', disk.free != null && disk.total != null && disk.free < disk.total * (1 - NEAR) && health.status !== 'full'],
    ['clock', !health.synchronised],
    ['connections', health.connections > health.connections_limit * NEAR],
    ['refusedNow', health.connections_refused > 0],
    ['memory', (memory.resident ?? 0) > memory.budget * NEAR],
    ['slow', median > SLOW_MS],
    ['panics', health.panics > 0],
    ['certificate', health.certificate != null && (health.certificate.failures > 0 || health.certificate.ends < health.ts + SOON_MS)],
  ];
  return found.flatMap(([name, is]) => (is ? [name] : []));
}
