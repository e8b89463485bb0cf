// What the machine itself is asked to do: power, update, name, SSH, reset; nothing where nobody there does it. What must not live
// here: how the machine is (board.tsx), and who may ask, which the server says.
import type { ComponentChildren } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { uuidv7 } from '../../engine/ids';
import { Refused } from '../../engine/refusal';
import { backups } from '../../i18n/backups';
import { box } from '../../i18n/box';
import { desk } from '../../i18n/desk';
import type { BoardDone, BoardState, BoardVerb } from '../../proto';
import { Wrong } from '../first/wrong';
import { engine } from '../state';
import { get } from './http';
import { Confirm, Link, Loaded, Page, Part, Said, Select, Switch, Text, useLoad } from './parts';
import { Sticks } from './place';

const ROUTE = 'admin/board';
/** A little longer than the machine has. */
const PATIENCE_MS = 320_000;
/** What has to be typed is the machine's own words, in any language. */
const ERASE = 'erase everything';
const RESET = 'reset settings';

async function ask(verb: BoardVerb, body: object): Promise<BoardDone> {
  try {
    return await engine().api.call<BoardDone>('POST', `/api/v1/${ROUTE}`, { verb, ...body }, undefined, PATIENCE_MS);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const w = box.value;
    const known = error.code === 'bad_request' ? w.bad[verb] : undefined;
    if (known) throw new Wrong(known);
    if (error.code === 'board_failed') throw new Wrong([w.failed, error.message, error.next].join(' '));
    throw error;
  }
}

export function Box() {
  const load = useLoad(() => get<BoardState>(ROUTE));
  const { title, lead, none } = box.value;
  return (
    <Page title={title} back="/admin" lead={lead}>
      <Loaded from={load}>{(now) => (now.answers ? <Parts now={now} again={load.again} /> : <p class="note">{none}</p>)}</Loaded>
    </Page>
  );
}

interface Given {
  now: BoardState;
  again: () => void;
}

function Parts({ now, again }: Given) {
  const w = box.value;
  return (
    <>
      <Part title={w.power} hint={w.powerHint}>
        <Act verb="reboot" label={w.reboot} title={w.rebootTitle} lead={w.rebootLead} done={() => w.rebootDone} />
        <Act verb="power_off" label={w.off} title={w.offTitle} lead={w.offLead} done={() => w.offDone} danger />
      </Part>
      <Part title={w.update} hint={now.updates === false ? w.updateNever : w.updateHint}>
        <p>
          <Link to="/admin/backups">{backups.value.open}</Link>
        </p>
        {now.failed_update && <p class="note">{w.updateFailed(now.failed_update.version, now.failed_update.why)}</p>}
        {now.updates !== false && (
          <>
            <Sticks machine={now} look={again} />
            <Act verb="update" label={w.updateGo} title={w.updateTitle} lead={w.updateLead} done={({ version }) => w.updateDone(version ?? '')} />
          </>
        )}
      </Part>
      <Part title={w.names}>
        <Host now={now} again={again} />
        <Zone now={now} again={again} />
      </Part>
      {now.ssh != null && <Ssh now={now} again={again} />}
      {now.may?.includes('factory_reset') && (
        <Part title={w.reset} hint={w.resetHint}>
          <Act verb="factory_reset" more={{ keep_data: true, confirm: RESET }} label={w.keepData} title={w.keepDataTitle} lead={w.keepDataLead} done={() => w.resetDone} typed={RESET} password danger />
          <Act verb="factory_reset" more={{ keep_data: false, confirm: ERASE }} label={w.erase} title={w.eraseTitle} lead={w.eraseLead} done={() => w.resetDone} typed={ERASE} password danger />
        </Part>
      )}
    </>
  );
}

interface ActProps {
  verb: BoardVerb;
  more?: object;
  label: string;
  title: string;
  lead: ComponentChildren;
  done: (done: BoardDone) => string;
  after?: () => void;
  danger?: boolean;
  typed?: string;
  /** Whether it asks for one's own. */
  password?: boolean;
  /** Whether there is anything to ask for yet. */
  ready?: boolean;
}

/** A button that asks before it asks the machine. One question is one request, however often it is sent. */
function Act({ verb, more, label, title, lead, done, after, danger, typed, password, ready = true }: ActProps) {
  const [asks, setAsks] = useState(0);
  const [open, setOpen] = useState(false);
  const [secret, setSecret] = useState('');
  const [said, setSaid] = useState('');
  const client_id = useMemo(uuidv7, [asks]);
  const begin = () => {
    setAsks(asks + 1);
    setSecret('');
    setSaid('');
    setOpen(true);
  };
  const go = async () => {
    const told = await ask(verb, { client_id, ...more, ...(password ? { password: secret } : {}) });
    setSaid(done(told));
    after?.();
  };
  return (
    <div>
      <button type="button" class={danger ? 'danger' : undefined} aria-disabled={!ready} onClick={() => ready && begin()}>
        {label}
      </button>
      <Said text={said} />
      {open && (
        <Confirm title={title} lead={<p>{lead}</p>} act={label} go={go} close={() => setOpen(false)} danger={danger} typed={typed}>
          {password && <Text label={desk.value.password} type="password" value={secret} set={setSecret} autocomplete="current-password" />}
        </Confirm>
      )}
    </div>
  );
}

function Host({ now, again }: Given) {
  const w = box.value;
  const [name, setName] = useState(now.host_name ?? '');
  const wanted = name.trim();
  return (
    <>
      <Text label={w.host} hint={w.hostHint} value={name} set={setName} maxLength={63} />
      <Act verb="host_name" more={{ name: wanted }} label={`${w.save}: ${w.host}`} title={w.hostTitle} lead={w.hostHint} done={() => w.hostDone} after={again} ready={wanted !== '' && wanted !== now.host_name} />
    </>
  );
}

function Zone({ now, again }: Given) {
  const w = box.value;
  const [zone, setZone] = useState(now.time_zone ?? '');
  const zones = useMemo(() => [...new Set([now.time_zone ?? '', 'Etc/UTC', ...Intl.supportedValuesOf('timeZone')])].sort(), [now.time_zone]);
  return (
    <>
      <Select label={w.zone} value={zone} set={setZone} options={zones.map((one) => [one, one || '—'] as const)} />
      <Act verb="time_zone" more={{ zone }} label={`${w.save}: ${w.zone}`} title={w.zoneTitle} lead={w.zoneLead} done={() => w.zoneDone} after={again} ready={zone !== '' && zone !== now.time_zone} />
    </>
  );
}

function Ssh({ now, again }: Given) {
  const w = box.value;
  const [key, setKey] = useState('');
  const [keep, setKeep] = useState(false);
  const isOwner = now.may?.includes('ssh_on');
  return (
    <Part title={w.ssh} hint={w.sshHint}>
      <p>
        {now.ssh ? w.sshOn : w.sshOff} {!isOwner && w.sshOwner}
      </p>
      {isOwner && (
        <>
          <Text label={w.key} hint={w.keyHint} value={key} set={setKey} maxLength={4_096} />
          <Switch label={w.keep} hint={w.keepHint} on={keep} set={setKeep} />
          <Act verb="ssh_on" more={{ key: key.trim(), keep }} label={w.open} title={w.openTitle} lead={w.sshHint} done={({ user, hours }) => w.opened(user ?? '', hours)} after={again} password danger ready={key.trim() !== ''} />
        </>
      )}
      {/* Also where it does not seem to be on: the key is taken away. */}
      <Act verb="ssh_off" label={w.shut} title={w.shutTitle} lead={w.shutLead} done={() => w.shutDone} after={again} />
    </Part>
  );
}
