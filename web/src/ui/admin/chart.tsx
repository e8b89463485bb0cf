// A line over the last minutes, drawn as one path. What must not live here: what it shows.
import { desk, span } from '../../i18n/desk';
import { office } from '../../i18n/office';
import { drawn, HEIGHT, LEAST_MS, type Point, WIDTH } from './line';

export function Chart({ name, points, format }: { name: string; points: readonly Point[]; format: (value: number) => string }) {
  const now = points.at(-1)?.at ?? Date.now();
  const { line, area, shown } = drawn(points, now);
  const values = points.flatMap((point) => (point.value === undefined ? [] : [point.value]));
  const { chartWait, chartSaid, chartFrom } = office.value;
  const newest = values.at(-1);
  const said = newest === undefined ? chartWait : chartSaid(format(newest), format(Math.min(...values)), format(Math.max(...values)), span(Math.max(shown === LEAST_MS ? now - points[0]!.at : shown, 1_000)));
  return (
    <figure class="chart">
      <figcaption>
        <strong>{name}</strong>
        <span>{newest === undefined ? '—' : format(newest)}</span>
      </figcaption>
      <svg role="img" aria-label={`${name}. ${said}`} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none">
        <path class="area" d={area} />
        <path class="ground" d={`M0 ${HEIGHT - 1}H${WIDTH}`} />
        <path class="line" d={line} />
      </svg>
      <p class="ends" aria-hidden="true">
        <span>{chartFrom(span(shown))}</span>
        <span>{values.length > 0 && `≤ ${format(Math.max(...values))}`}</span>
        <span>{desk.value.now}</span>
      </p>
    </figure>
  );
}
