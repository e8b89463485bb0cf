// How the server does: what is wrong first, then figures, then lines. What must not live here: how figures are gathered
// (samples.ts).
import { date, explained } from '../../i18n';
import { backups } from '../../i18n/backups';
import { count, desk, size, span } from '../../i18n/desk';
import { office } from '../../i18n/office';
import type { BudgetShare, PoolFigures, ServerHealth } from '../../proto';
import { readBackups, stateOf } from './backups';
import { Board, warned } from './board';
import { Chart } from './chart';
import { NEAR, quantile, type Sample, SLOW_MS, SOON_MS, troubles } from './figures';
import { Bar, Figure, Link, Page, Part, Table, useLoad } from './parts';
import { look, newest, samples, trouble } from './samples';

/** Figures "lately" are those of so many samples. */
const LATELY = 12;
const DAY_MS = 86_400_000;
/** A line of the journal at the start would write more than a day's pace is worth. */
const PACE_MS = 600_000;

export function Health() {
  const now = newest.value;
  const { health, healthLead } = office.value;
  return (
    <Page title={health} back="/admin" lead={healthLead}>
      {trouble.value !== undefined && (
        <div class="trouble" role="alert">
          <p>{explained(trouble.value)}</p>
          <button type="button" onClick={() => void look()}>
            {desk.value.retry}
          </button>
        </div>
      )}
      {!now && trouble.value === undefined && <p role="status">{desk.value.working}</p>}
      {now && <Shown health={now} />}
    </Page>
  );
}

function Shown({ health }: { health: ServerHealth }) {
  const { charts, chartsLead, budget, budgetLead, pools } = office.value;
  return (
    <>
      <Verdict health={health} />
      <Figures health={health} />
      {health.board && <Board board={health.board} commit={health.commit} />}
      <Part title={charts} hint={chartsLead}>
        <Charts />
      </Part>
      <Part title={pools}>
        <Pools pools={health.pools} />
      </Part>
      <Part title={budget} hint={budgetLead}>
        <Budget lines={health.memory.lines} whole={health.memory.budget} />
      </Part>
    </>
  );
}

function Verdict({ health }: { health: ServerHealth }) {
  const { good, troubles: words } = office.value;
  const found = [...troubles(health).map((one) => words[one]), ...(health.board?.warnings ?? []).map(warned)];
  if (!found.length) {
    return (
      <p class="health" role="status">
        <span aria-hidden="true">✓</span> {good}
      </p>
    );
  }
  return (
    <div class="health bad" role="status">
      <span aria-hidden="true">!</span>
      <ul>
        {found.map((one) => (
          <li key={one}>{one}</li>
        ))}
      </ul>
    </div>
  );
}

/** Over the last samples, so that a figure does not jump with each. */
function lately(all: readonly Sample[]): number {
  const some = all.slice(-LATELY).slice(all.length > 1 ? 1 : 0);
  return some.length ? some.reduce((sum, one) => sum + one.rate, 0) / some.length : 0;
}

function Figures({ health }: { health: ServerHealth }) {
  const w = office.value;
  const { disk, memory } = health;
  const ms = (value: number | undefined) => (value === undefined ? '—' : w.ms(Number.isFinite(value) ? `≤ ${count(value)}` : '> 10 000'));
  const high = quantile(health.ack, 0.95);
  const perDay = disk.written != null ? (disk.written / Math.max(health.uptime_ms, PACE_MS)) * DAY_MS : undefined;
  const free = disk.free ?? undefined;
  const total = disk.total ?? undefined;
  const share = free !== undefined && total ? 1 - free / total : undefined;
  return (
    <dl class="figures">
      <Figure name={w.status} value={w.statuses[health.status] ?? health.status} tone={health.status === 'ready' ? 'good' : 'bad'} note={`${w.version} ${health.version}`} />
      <Figure name={w.uptime} value={span(health.uptime_ms)} />
      <Figure name={w.connections} value={count(health.connections)} note={w.ofMost(count(health.connections_limit))} share={health.connections / health.connections_limit} />
      <Figure name={w.online} value={count(health.users_online)} />
      <Figure name={w.rate} value={count(lately(samples.value))} note={w.rateNote} />
      <Figure name={w.ack} value={ms(quantile(health.ack, 0.5))} note={high === undefined ? w.ackNone : w.ackNote(ms(high))} tone={(high ?? 0) > SLOW_MS ? 'watch' : 'plain'} />
      <Figure name={w.commit} value={ms(quantile(health.commit, 0.5))} note={w.ackNote(ms(quantile(health.commit, 0.95)))} />
      <Figure name={w.memory} value={memory.resident != null ? size(memory.resident) : '—'} note={w.memoryNote(size(memory.budget))} share={memory.resident != null ? memory.resident / memory.budget : undefined} />
      <Figure name={w.disk} value={free === undefined ? '—' : w.diskFree(size(free))} note={total ? w.ofMost(size(total)) : w.diskUnknown} share={share} tone={share !== undefined && share > NEAR ? 'watch' : 'plain'} />
      <Figure name={w.written} value={perDay === undefined ? '—' : size(perDay)} note={w.writtenNote} />
      <Figure name={w.database} value={size(disk.database)} note={`${w.events}: ${count(health.events)}`} />
      <Figure name={w.files} value={size(disk.files)} note={w.ofMost(size(disk.files_limit))} share={disk.files_limit ? disk.files / disk.files_limit : undefined} />
      <Figure name={w.clock} value={health.synchronised ? w.clockRight : w.clockUnsure} tone={health.synchronised ? 'plain' : 'watch'} />
      {health.certificate && (
        <Figure
          name={w.certificate}
          value={date(health.certificate.ends)}
          note={health.certificate.error ?? (health.certificate.public ? w.certificatePublic : w.certificateOwn)}
          tone={health.certificate.failures > 0 || health.certificate.ends < health.ts + SOON_MS ? 'watch' : 'plain'}
        />
      )}
      <Backup />
    </dl>
  );
}

/** Whether there is a good one, and the way to all about them. */
function Backup() {
  const { value } = useLoad(readBackups);
  const [text, tone] = value ? stateOf(value) : (['—', 'plain'] as const);
  return <Figure name={office.value.backup} value={text} tone={tone} note={<Link to="/admin/backups">{backups.value.open}</Link>} />;
}

function Charts() {
  const all = samples.value;
  const w = office.value;
  // The first one knows no pace yet.
  const paced = all.slice(1);
  const ms = (value: number) => w.ms(Number.isFinite(value) ? count(value) : '> 10 000');
  return (
    <div class="charts">
      <Chart name={w.rate} points={paced.map((one) => ({ at: one.at, value: one.rate }))} format={(value) => w.perSecond(count(value))} />
      <Chart name={w.ack} points={paced.map((one) => ({ at: one.at, value: one.ack }))} format={ms} />
      <Chart name={w.connections} points={all.map((one) => ({ at: one.at, value: one.connections }))} format={count} />
      <Chart name={w.memory} points={all.map((one) => ({ at: one.at, value: one.memory }))} format={size} />
      <Chart name={w.disk} points={paced.map((one) => ({ at: one.at, value: one.written }))} format={(value) => w.perSecond(size(value))} />
    </div>
  );
}

function Pools({ pools: rows }: { pools: readonly PoolFigures[] }) {
  const { pools, pool, used, most } = office.value;
  const shown = (name: string, value: number) => (name.endsWith('_bytes') ? size(value) : count(value));
  const columns = [
    { name: pool, head: true, of: (one: PoolFigures) => one.name.replace(/_bytes$/, '').replaceAll('_', ' ') },
    { name: used, number: true, of: (one: PoolFigures) => shown(one.name, one.used) },
    { name: most, number: true, of: (one: PoolFigures) => shown(one.name, one.limit) },
    { name: '%', of: (one: PoolFigures) => <Bar share={one.limit ? one.used / one.limit : 0} /> },
  ];
  return <Table label={pools} columns={columns} rows={rows} keyOf={(one) => one.name} empty="—" />;
}

function Budget({ lines, whole }: { lines: readonly BudgetShare[]; whole: number }) {
  const { budget, pool, most, why } = office.value;
  const columns = [
    { name: pool, head: true, of: (one: BudgetShare) => one.pool },
    { name: why, of: (one: BudgetShare) => <span lang="en">{one.why}</span> },
    { name: most, number: true, of: (one: BudgetShare) => size(one.bytes) },
    { name: '%', of: (one: BudgetShare) => <Bar share={one.bytes / whole} /> },
  ];
  return <Table label={budget} columns={columns} rows={[...lines].sort((one, other) => other.bytes - one.bytes)} keyOf={(one) => one.pool} empty="—" />;
}

