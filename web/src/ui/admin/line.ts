// A line over the last minutes as the text of a path. What must not live here: what it shows.

export interface Point {
  at: number;
  value: number | undefined;
}

export const WIDTH = 300;
export const HEIGHT = 60;
/** The shortest stretch shown, so that the first points do not jump about; and the longest. */
export const LEAST_MS = 300_000;
const MOST_MS = 3_600_000;
/** Points farther apart are not joined: the page was not looked at meanwhile. */
const GAP_MS = 20_000;

interface Drawn {
  line: string;
  area: string;
  shown: number;
}

export function drawn(points: readonly Point[], now: number): Drawn {
  const first = points[0]?.at ?? now;
  const shown = Math.min(MOST_MS, Math.max(LEAST_MS, now - first));
  const seen = points.filter((point) => point.at >= now - shown);
  const top = Math.max(1e-9, ...seen.map((point) => point.value ?? 0));
  const x = (at: number) => ((at - (now - shown)) / shown) * WIDTH;
  const y = (value: number) => HEIGHT - 2 - (Math.min(value, top) / top) * (HEIGHT - 6);
  const runs: Point[][] = [];
  let last: Point | undefined;
  for (const point of seen) {
    const joins = last?.value !== undefined && point.value !== undefined && point.at - last.at < GAP_MS;
    if (joins) runs.at(-1)!.push(point);
    else if (point.value !== undefined) runs.push([point]);
    last = point;
  }
  const place = (point: Point) => `${x(point.at).toFixed(1)} ${y(point.value ?? 0).toFixed(1)}`;
  const path = (run: Point[]) => `M${run.map(place).join('L')}`;
  const line = runs.map((run) => (run.length > 1 ? path(run) : `${path(run)}h0.5`)).join('');
  const area = runs.filter((run) => run.length > 1).map((run) => `${path(run)}V${HEIGHT}H${x(run[0]!.at).toFixed(1)}Z`).join('');
  return { line, area, shown };
}
