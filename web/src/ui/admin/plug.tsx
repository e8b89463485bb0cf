// The plug test: begins it, keeps the highest number that was seen, also over a reload of this page, and says it once the board is
// back. What must not live here: what follows from the number, which the server says.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { uuidv7 } from '../../engine/ids';
import { board } from '../../i18n/board';
import { count, desk } from '../../i18n/desk';
import type { PlugTest as Test, PlugTestResult } from '../../proto';
import { post, raw } from './http';
import { useAct } from './parts';

const ROUTE = 'admin/plug-test';
const OFTEN_MS = 250;
const SELDOM_MS = 1_000;
/** A board without power says nothing, not even no. */
const PATIENCE_MS = 2_000;
const KEPT = 'kinglet-plug-test';

interface Seen {
  run: string;
  acked: number;
}

async function ask(): Promise<Test> {
  const response = await raw(ROUTE, { signal: AbortSignal.timeout(PATIENCE_MS) });
  return (await response.json()) as Test;
}

function seen(): Seen | undefined {
  try {
    return (JSON.parse(localStorage.getItem(KEPT) ?? 'null') as Seen | null) ?? undefined;
  } catch {
    return undefined;
  }
}

function keep(now: Test): void {
  if (now.state === 'running' && now.run != null) localStorage.setItem(KEPT, JSON.stringify({ run: now.run, acked: now.acked ?? 0 }));
}

const ended = (run: string, acked?: number): Promise<Test> => post<Test>(`${ROUTE}/end`, acked === undefined ? { run } : { run, acked });

/** How it stands; says what was seen of one that was cut off. */
async function look(): Promise<Test> {
  const now = await ask();
  keep(now);
  const known = seen();
  if (now.state !== 'cut' || known === undefined || known.run !== now.run) return now;
  const done = await ended(known.run, known.acked);
  localStorage.removeItem(KEPT);
  return done;
}

export function PlugTest() {
  const [test, setTest] = useState<Test>();
  const [away, setAway] = useState(false);
  const [looks, setLooks] = useState(0);
  const [begun, setBegun] = useState(0);
  const client_id = useMemo(uuidv7, [begun]);
  const { busy, wrong, run } = useAct();
  useEffect(() => {
    if (test && !away && test.state !== 'running') return;
    let late = false;
    const found = (now: Test | undefined) => {
      if (late) return;
      setAway(!now);
      if (now) setTest(now);
      setLooks((n) => n + 1);
    };
    const timer = setTimeout(() => void look().then(found, () => found(undefined)), away ? SELDOM_MS : test ? OFTEN_MS : 0);
    return () => {
      late = true;
      clearTimeout(timer);
    };
  }, [looks]);
  const act = (work: () => Promise<Test>) =>
    void run(async () => {
      const now = await work();
      keep(now);
      setTest(now);
      setLooks((n) => n + 1);
    });
  const begin = () =>
    act(async () => {
      const now = await post<Test>(ROUTE, { client_id });
      setBegun((n) => n + 1);
      return now;
    });
  if (!test) return <p class="hint" role="status">{desk.value.working}</p>;
  return (
    <div class="now">
      <State test={test} away={away} />
      <Buttons test={test} away={away} busy={busy} begin={begin} end={() => act(() => ended(test.run ?? ''))} />
      <p class="wrong" role="alert">{wrong}</p>
    </div>
  );
}

function State({ test, away }: { test: Test; away: boolean }) {
  const w = board.value;
  if (test.state === 'running') {
    // Not said aloud four times a second.
    return <p class="counting">{away ? w.away(count(seen()?.acked ?? 0)) : w.running(count(test.acked ?? 0))}</p>;
  }
  if (test.state === 'cut') return <p role="status">{w.cut}</p>;
  return (
    <>
      <p role="status">{test.last ? outcome(test.last) : w.untold}</p>
      <p class="hint">{w.plugSteps}</p>
    </>
  );
}

function outcome({ verdict, why, acked, lost }: PlugTestResult): string {
  const w = board.value;
  if (verdict === 'keeps') return w.keeps(count(acked ?? 0));
  if (verdict === 'lost') return w.lost(count(lost ?? 0));
  return w.whys[why ?? ''] ?? w.untold;
}

function Buttons({ test, away, busy, begin, end }: { test: Test; away: boolean; busy: boolean; begin: () => void; end: () => void }) {
  const w = board.value;
  if (away) return null;
  const [text, press] = test.state === 'idle' ? [w.begin, begin] : [test.state === 'cut' ? w.unseen : w.end, end];
  return (
    <button type="button" class={test.state === 'idle' ? 'main' : undefined} aria-disabled={busy} onClick={() => !busy && press()}>
      {text}
    </button>
  );
}
