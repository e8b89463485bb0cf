// Backups: whether there is a good one, where they go, what is wrong, and making one now. What must not live here: choosing the
// place (place.tsx), and restoring, which needs no running server.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { uuidv7 } from '../../engine/ids';
import { backups } from '../../i18n/backups';
import { ago, desk, moment, size, span } from '../../i18n/desk';
import type { BackupMade, ServerBackups } from '../../proto';
import { get, post } from './http';
import { Bar, Figure, Link, type Load, Loaded, Page, Part, Said, Table, type Tone, useAct, useLoad } from './parts';
import { Place } from './place';

const ROUTE = 'admin/backups';
/** While one is being made it is looked at so often. */
const OFTEN_MS = 1_000;
/** A good one that is older than this was followed by none for two nights. */
const OLD_MS = 3 * 24 * 60 * 60 * 1_000;

export const readBackups = (): Promise<ServerBackups> => get<ServerBackups>(ROUTE);

/** In one word, for here and for the page of health. */
export function stateOf({ place, wrong, key_kept, last }: ServerBackups): [string, Tone] {
  const w = backups.value;
  if (!place) return [w.off, 'watch'];
  if (wrong) return [last ? ago(last.made) : w.none, 'bad'];
  if (!last) return [w.none, 'watch'];
  return [ago(last.made), key_kept && Date.now() - last.made < OLD_MS ? 'good' : 'watch'];
}

export function Backups() {
  const load = useLoad(readBackups);
  const { title, lead, restore } = backups.value;
  return (
    <Page title={title} back="/admin" lead={lead}>
      <Loaded from={load}>{(now) => <State now={now} load={load} />}</Loaded>
      <p class="hint">{restore}</p>
    </Page>
  );
}

function State({ now, load }: { now: ServerBackups; load: Load<ServerBackups> }) {
  const w = backups.value;
  const { running } = now;
  useEffect(() => {
    if (!running) return;
    const look = () => void readBackups().then(load.put, load.again);
    const timer = setTimeout(look, OFTEN_MS);
    return () => clearTimeout(timer);
  }, [now]);
  return (
    <>
      <Wrong now={now} />
      {now.place && <Figures now={now} />}
      {now.place && <Now now={now} put={load.put} />}
      <Place now={now} put={load.put} />
      {now.place && (
        <Part title={w.kept} hint={w.keeps(now.keep)}>
          <Kept of={now.kept} />
        </Part>
      )}
    </>
  );
}

function Wrong({ now: { place, wrong, key_kept, may } }: { now: ServerBackups }) {
  const w = backups.value;
  /** `more`: what the server says of it itself, and what to do. */
  const trouble = (title: string, lead: string, more = '', sheet = false) => (
    <div class="trouble" role="alert">
      <p>
        <strong>{title}</strong> {lead}
      </p>
      {more && <p>{more}</p>}
      {sheet && <Link to="/sheet">{w.keyGo}</Link>}
    </div>
  );
  if (!place) return trouble(w.offTitle, may?.length ? w.offLead : w.offOwner);
  if (wrong) {
    const [message, next] = w.wrongs[wrong.code] ?? [wrong.message, wrong.next];
    return trouble(w.wrongTitle, `${message} ${w.since(moment(wrong.since))}`, wrong.code === 'failed' ? `${next} (${wrong.message})` : next, wrong.code === 'no_key');
  }
  return key_kept ? null : trouble(w.keyTitle, w.keyLead, '', true);
}

function Figures({ now }: { now: ServerBackups }) {
  const w = backups.value;
  const { last, place, next, at } = now;
  const [text, tone] = stateOf(now);
  return (
    <dl class="figures">
      <Figure name={w.last} value={text} tone={tone} note={last ? moment(last.made) : ''} />
      <Figure name={w.where} value={place?.usb ? w.usb : (place?.path ?? '—')} tone={place?.same_disk ? 'watch' : 'plain'} note={place?.same_disk ? w.sameDisk : place?.usb ? (place.path ?? '') : ''} />
      <Figure name={w.next} value={next ? moment(next) : w.nextUnsure} note={w.daily(at)} />
    </dl>
  );
}

function Now({ now, put }: { now: ServerBackups; put: (now: ServerBackups) => void }) {
  const w = backups.value;
  const { busy, wrong, run } = useAct();
  const [said, setSaid] = useState('');
  /** The newest when one was asked for: another one after it is the one. */
  const before = useRef<string | undefined>(undefined);
  const [asked, setAsked] = useState(0);
  const client_id = useMemo(uuidv7, [asked]);
  const { running, last } = now;
  useEffect(() => {
    if (running || before.current === undefined) return;
    if (!now.wrong && last && last.name !== before.current) setSaid(w.done);
    before.current = undefined;
  }, [running, last?.name]);
  const begin = () =>
    run(async () => {
      setSaid('');
      before.current = last?.name ?? '';
      put(await post<ServerBackups>(ROUTE, { client_id }));
      setAsked(asked + 1);
    });
  const share = running?.total ? running.bytes / running.total : undefined;
  return (
    <div class="now">
      <button type="button" class="main" aria-disabled={busy || !!running} onClick={() => !running && void begin()}>
        {running ? desk.value.working : w.now}
      </button>
      {running && <p role="status">{running.total ? w.writing(size(running.bytes), size(running.total)) : w.checking}</p>}
      {share !== undefined && <Bar share={share} />}
      <p class="wrong" role="alert">{wrong}</p>
      <Said text={said} />
    </div>
  );
}

function Kept({ of }: { of: readonly BackupMade[] }) {
  const w = backups.value;
  const sizeOf = ({ bytes, parts, lost_files }: BackupMade) => [size(bytes), parts > 1 ? w.parts(parts) : '', lost_files ? w.lost(lost_files) : ''].filter(Boolean).join(', ');
  return (
    <Table
      label={w.kept}
      rows={of}
      keyOf={(row) => row.name}
      empty={w.nothing}
      columns={[
        { name: w.made, head: true, of: (row) => moment(row.made) },
        { name: w.name, of: (row) => row.name },
        { name: w.size, of: sizeOf },
        { name: w.took, of: (row) => span(row.took_ms) },
        { name: w.verified, of: () => '✓' },
      ]}
    />
  );
}
