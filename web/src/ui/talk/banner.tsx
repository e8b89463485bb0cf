// What there is to say about the line and about the page itself: not connected, what waits, a newer version. What must not
// live here: how the line is made.
import { useEffect, useState } from 'preact/hooks';
import { brief, words } from '../../i18n';
import { trust } from '../first/trust';
import { engine, line, outbox, undone } from '../state';
import { lazy } from '../together/lazy';
import { lastHere } from './here';
import { newer, reload } from './newer';
import '../talk.css';

const Undone = lazy(() => import('../together/undone').then((part) => part.Undone));

/** A short break is nothing to speak of. */
const PATIENCE_MS = 2_500;
/** After so long it is no break but a wrong network, most likely. */
const LOST_MS = 8_000;

/** How long the line has been broken, in the steps that matter. */
function useBroken(): 'no' | 'late' | 'lost' {
  const broken = line.value === 'connecting' || line.value === 'offline';
  const [since, setSince] = useState<'no' | 'late' | 'lost'>('no');
  useEffect(() => {
    setSince('no');
    if (!broken) return;
    const timers = [setTimeout(() => setSince('late'), PATIENCE_MS), setTimeout(() => setSince('lost'), LOST_MS)];
    return () => timers.forEach(clearTimeout);
  }, [broken]);
  return broken ? since : 'no';
}

export function Banners() {
  const broken = useBroken();
  const { fallback, offline, noNetwork, notReached, keptUntilThen } = words.value;
  const lost = broken === 'lost' && navigator.onLine;
  const why = broken === 'no' ? '' : !navigator.onLine ? noNetwork : lost ? `${notReached(location.host)} ${keptUntilThen}` : offline;
  const waits = useWaiting(broken !== 'no');
  const text = [why || (line.value === 'fallback' && trust.value === 'full' ? fallback : ''), waits].filter(Boolean).join(' ');
  return (
    <div class="banners">
      <div class={text ? 'banner' : 'banner none'}>
        <p role="status">{text}</p>
        {lost && <Checks />}
      </div>
      {undone.value.length > 0 && <Undone />}
      <NewVersion />
    </div>
  );
}

/** Said while the line is broken, or when something waits longer than a message takes. */
function useWaiting(broken: boolean): string {
  const waiting = outbox.value.filter((row) => row.state === 'waiting' && row.change.type === 'send');
  const oldest = waiting[0]?.created ?? 0;
  const [, look] = useState(0);
  useEffect(() => {
    if (!oldest) return;
    const timer = setTimeout(() => look(oldest), Math.max(0, oldest + PATIENCE_MS - Date.now()) + 50);
    return () => clearTimeout(timer);
  }, [oldest]);
  return waiting.length && (broken || Date.now() - oldest > PATIENCE_MS) ? words.value.waitCount(waiting.length) : '';
}

function Checks() {
  const { whatToCheck, check, tryNow } = words.value;
  const last = lastHere();
  return (
    <>
      <details>
        <summary>{whatToCheck}</summary>
        <ul>
          {check(last ? brief(last) : '').map((one) => (
            <li key={one}>{one}</li>
          ))}
        </ul>
      </details>
      <button type="button" class="quiet" onClick={() => engine().wake()}>
        {tryNow}
      </button>
    </>
  );
}

function NewVersion() {
  const { newVersion, reload: label, notNow } = words.value;
  const there = newer.value === 'there';
  return (
    <div class={there ? 'banner calm' : 'banner none'}>
      <p role="status">{there ? newVersion : ''}</p>
      {there && (
        <>
          <button type="button" class="main" onClick={reload}>
            {label}
          </button>
          <button type="button" class="quiet" onClick={() => (newer.value = 'later')}>
            {notNow}
          </button>
        </>
      )}
    </div>
  );
}
