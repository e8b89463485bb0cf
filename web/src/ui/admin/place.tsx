// Where backups go, as an owner chooses it; and which USB sticks the box sees. What must not live here: how backups stand
// (backups.tsx), and whether a place can be written to, which the server tries.
import { useState } from 'preact/hooks';
import { Refused } from '../../engine/refusal';
import { backups } from '../../i18n/backups';
import { desk, size } from '../../i18n/desk';
import type { BackupChoice, BoardState, PlaceBackups, ServerBackups } from '../../proto';
import { Wrong } from '../first/wrong';
import { engine } from '../state';
import { get } from './http';
import { Choice, Confirm, Loaded, Part, Said, Text, useLoad } from './parts';

/** A stick is mounted and tried: a little longer than the machine has for it. */
const PATIENCE_MS = 320_000;
/** The best one first. */
const ORDER: readonly BackupChoice[] = ['usb', 'data', 'off'];

interface Given {
  now: ServerBackups;
  put: (now: ServerBackups) => void;
}

export const placeName = (place: BackupChoice): string => backups.value.places[place]?.[0] ?? place;

export function Place({ now, put }: Given) {
  const { place, placeSet, placeOwner } = backups.value;
  const isChosen = now.place_is_set ? placeSet : placeOwner;
  return (
    <Part title={place}>
      {now.may?.length ? <Chooser now={now} put={put} /> : <p class="note">{isChosen}</p>}
    </Part>
  );
}

async function choose(body: PlaceBackups): Promise<ServerBackups> {
  const w = backups.value;
  try {
    return await engine().api.call<ServerBackups>('PATCH', '/api/v1/admin/backups', body, undefined, PATIENCE_MS);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.code === 'changed_meanwhile') throw new Wrong(w.placeMoved);
    if (error.code === 'board_failed') throw new Wrong([w.placeFailed, error.message, error.next].join(' '));
    throw error;
  }
}

function Chooser({ now, put }: Given) {
  const board = useLoad(() => get<BoardState>('admin/board'));
  return <Loaded from={board}>{(machine) => <Form now={now} put={put} machine={machine} look={board.again} />}</Loaded>;
}

function Form({ now, put, machine, look }: Given & { machine: BoardState; look: () => void }) {
  const w = backups.value;
  const { chosen } = now;
  const offered = ORDER.filter((place) => now.may?.includes(place) && (place !== 'usb' || machine.answers || chosen === 'usb'));
  const [to, setTo] = useState<BackupChoice>(chosen === 'off' ? offered[0]! : chosen);
  const [secret, setSecret] = useState<string>();
  const [said, setSaid] = useState('');
  const isThere = to !== 'usb' || !machine.sticks || machine.sticks.length === 1;
  const ready = to !== chosen && isThere;
  const ask = () => {
    setSaid('');
    setSecret('');
  };
  const go = async () => {
    put(await choose({ place: to, instead_of: chosen, password: secret ?? '' }));
    setSaid(to === 'off' ? w.placeNone : w.placeDone);
  };
  return (
    <>
      <Choice legend={w.placeChoose} value={to} set={setTo} options={offered.map((place) => [place, ...w.places[place]] as const)} />
      {to === 'usb' && to !== chosen && <Sticks machine={machine} look={look} />}
      {!machine.answers && <p class="hint">{w.placeLead}</p>}
      <div>
        <button type="button" aria-disabled={!ready} onClick={() => ready && ask()}>
          {w.placeGo}
        </button>
        <Said text={said} />
      </div>
      {secret !== undefined && (
        <Confirm title={w.placeAsk} lead={<p>{w.placeLeads[to]}</p>} act={w.placeGo} danger={to === 'off'} go={go} close={() => setSecret(undefined)}>
          <Text label={desk.value.password} type="password" value={secret} set={setSecret} autocomplete="current-password" />
        </Confirm>
      )}
    </>
  );
}

/** Nothing where the machine does not tell. */
export function Sticks({ machine: { sticks }, look }: { machine: BoardState; look: () => void }) {
  const w = backups.value;
  if (!sticks) return null;
  const names = sticks.map(({ name, bytes }) => (bytes == null ? name : `${size(bytes)} (${name})`)).join(', ');
  const said = sticks.length === 0 ? w.stickNone : sticks.length === 1 ? w.stickOne(names) : w.stickMany(names);
  return (
    <p class="note" role="status">
      {said}{' '}
      {sticks.length !== 1 && (
        <button type="button" class="small" onClick={look}>
          {w.stickLook}
        </button>
      )}
    </p>
  );
}
