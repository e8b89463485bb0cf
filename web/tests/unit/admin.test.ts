// What the pages of settings reckon: paces and shares out of figures, lines, days, heirs, squares, times of day.
// What must not live here: pages.
import { expect, test } from 'vitest';
import type { OwnedConversation, ServerHealth, Times } from '../../src/proto';
import { between, quantile, sampleOf, troubles } from '../../src/ui/admin/figures';
import { drawn, WIDTH } from '../../src/ui/admin/line';
import { dayBegins } from '../../src/ui/admin/days';
import { heirs } from '../../src/ui/admin/pages';
import { clockOf, minutesOf, within } from '../../src/ui/mine/plain';

const times = (counts: number[]): Times => ({ bounds: [500, 1_000, 10_000], counts, sum: 0 });
const well: ServerHealth = {
  status: 'ready',
  version: '1',
  synchronised: true,
  ts: 0,
  uptime_ms: 60_000,
  connections: 3,
  connections_limit: 100,
  connections_refused: 0,
  users_online: 2,
  events: 9,
  acks: 100,
  ack: times([90, 9, 1, 0]),
  commit: times([0, 0, 0, 0]),
  memory: { resident: 10, budget: 100, lines: [] },
  disk: { free: 50, total: 100, database: 1, files: 1, files_limit: 80, written: 1_000 },
  pools: [],
  panics: 0,
};

test('a share of a histogram lies under the first bound that holds it; what is over all has no end', () => {
  expect(quantile(times([90, 9, 1, 0]), 0.5)).toBe(0.5);
  expect(quantile(times([90, 9, 1, 0]), 0.95)).toBe(1);
  expect(quantile(times([90, 9, 1, 0]), 1)).toBe(10);
  expect(quantile(times([0, 0, 0, 1]), 0.5)).toBe(Infinity);
  expect(quantile(times([0, 0, 0, 0]), 0.5)).toBeUndefined();
  expect(between(times([5, 6, 7, 8]), times([1, 1, 1, 1])).counts).toEqual([4, 5, 6, 7]);
});

test('a pace is of two pictures of one life of the server', () => {
  const later = { ...well, uptime_ms: 65_000, acks: 150, ack: times([90, 59, 1, 0]), disk: { ...well.disk, written: 6_000 } };
  expect(sampleOf({ at: 5_000, health: later }, { at: 0, health: well })).toMatchObject({ rate: 10, ack: 1, written: 1_000, connections: 3 });
  expect(sampleOf({ at: 5_000, health: well }, { at: 0, health: later })).toMatchObject({ rate: 0, ack: undefined, written: undefined });
});

test('what is wrong is named, the worst first', () => {
  expect(troubles(well)).toEqual([]);
  const bad = { ...well, status: 'read_only', synchronised: false, connections: 95, connections_refused: 1, panics: 1, disk: { ...well.disk, free: 5 }, ack: times([0, 0, 0, 9]) };
  expect(troubles(bad)).toEqual(['read_only', 'disk', 'clock', 'connections', 'refusedNow', 'slow', 'panics']);
  const certificate = { source: 'acme', names: ['chat.example.org'], ends: well.ts + 60 * 86_400_000, public: true, failures: 0 };
  expect(troubles({ ...well, certificate })).toEqual([]);
  expect(troubles({ ...well, certificate: { ...certificate, failures: 1 } })).toEqual(['certificate']);
  expect(troubles({ ...well, certificate: { ...certificate, ends: well.ts + 86_400_000 } })).toEqual(['certificate']);
  expect(troubles({ ...well, status: 'full', disk: { ...well.disk, free: 0 } })).toEqual(['full']);
});

test('a line has a gap where nobody looked or nothing was, and its last point at the right', () => {
  const points = [0, 5, 10, 60, 65].map((second) => ({ at: second * 1_000, value: second === 5 ? undefined : 1 }));
  const { line, shown } = drawn(points, 65_000);
  expect(shown).toBe(300_000);
  expect(line.match(/M/g)).toHaveLength(3);
  expect(line).toContain(`L${WIDTH}.0 `);
  expect(drawn([{ at: 0, value: 1 }], 9_000_000).line).toBe('');
});

test('a day that was picked is a stretch of time, by the calendar of whoever picked it', () => {
  const begin = dayBegins('2026-03-29')!;
  expect(new Date(begin).getHours()).toBe(0);
  expect(new Date(dayBegins('2026-03-29', 1)!).getDate()).toBe(30);
  expect(dayBegins('2026-12-31', 1)).toBe(dayBegins('2027-01-01'));
  expect([dayBegins(''), dayBegins('yesterday')]).toEqual([undefined, undefined]);
});

test('who takes over is in each of the conversations', () => {
  const owned = (...users: string[]) => ({ candidates: users.map((user) => ({ user })) }) as OwnedConversation;
  expect(heirs([owned('a', 'b', 'c'), owned('c', 'b')])).toEqual(['b', 'c']);
  expect(heirs([owned('a', 'b'), owned('a', 'b'), owned('b')])).toEqual(['b']);
  expect(heirs([owned('a'), owned('b')])).toEqual([]);
});

test('no edge of a picture comes into its square, and a time of day is one', () => {
  expect(within({ x: 9, y: 9, zoom: 1 }, 200, 100)).toEqual({ x: 0.5, y: 0, zoom: 1 });
  expect(within({ x: -9, y: -9, zoom: 2 }, 100, 100)).toEqual({ x: -0.5, y: -0.5, zoom: 2 });
  expect([minutesOf('07:30'), minutesOf('23:59:00'), minutesOf('24:00'), minutesOf('')]).toEqual([450, 1_439, undefined, undefined]);
  expect(clockOf(65)).toBe('01:05');
});
