// What the team is called, and the one address that people are told. What must not live here: which addresses a server can
// have, which it decides itself; the emergency sheet (first/).
import { useState } from 'preact/hooks';
import { desk, moment } from '../../i18n/desk';
import { oversight } from '../../i18n/oversight';
import { Refused } from '../../engine/refusal';
import type { ChangeServer, ServerInfo } from '../../proto';
import { Doubt, refusedAddress } from '../first/doubt';
import { team } from '../first/team';
import { Wrong } from '../first/wrong';
import { myRole } from '../menu';
import { engine, personName } from '../state';
import { Confirm, Link, type Load, Loaded, Page, Part, Said, Text, useAct, useLoad } from './parts';

export function Server() {
  const load = useLoad(() => engine().api.server());
  const { server, serverLead } = oversight.value;
  return (
    <Page title={server} back="/admin" lead={serverLead}>
      <Loaded from={load}>
        {(now) => (
          <>
            <Name key={now.team} now={now} load={load} />
            <Address key={now.address} now={now} load={load} />
            <Recovery now={now} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

async function change(load: Load<ServerInfo>, body: ChangeServer): Promise<void> {
  const now = await engine().api.changeServer(body);
  team.value = now.team ?? '';
  load.put(now);
}

function Name({ now, load }: { now: ServerInfo; load: Load<ServerInfo> }) {
  const [name, setName] = useState(now.team ?? '');
  const { run, busy, wrong } = useAct();
  const w = oversight.value;
  const same = name.trim() === (now.team ?? '');
  const save = (event: Event) => {
    event.preventDefault();
    if (!same && name.trim()) void run(() => change(load, { team: name.trim() }));
  };
  return (
    <Part title={w.name}>
      <form onSubmit={save}>
        <Text label={w.team} hint={w.teamHint} value={name} set={setName} maxLength={60} />
        <p class="wrong" role="alert">
          {wrong}
        </p>
        <button type="submit" aria-disabled={busy || same || !name.trim()}>
          {w.teamSave}
        </button>
      </form>
    </Part>
  );
}

/** What a person types, without what does not belong to it. */
const clean = (text: string) => text.trim().replace(/\/+$/, '');

function Address({ now, load }: { now: ServerInfo; load: Load<ServerInfo> }) {
  const [to, setTo] = useState(now.address);
  const [asks, setAsks] = useState(false);
  const w = oversight.value;
  const here = location.origin;
  const move = () =>
    change(load, { address: clean(to), instead_of: now.address }).catch((error: unknown) => {
      if (error instanceof Refused && error.code === 'changed_meanwhile') throw new Wrong(w.addressMoved);
      throw refusedAddress(error, clean(to));
    });
  const same = clean(to) === '' || clean(to) === now.address;
  return (
    <Part title={w.address}>
      <p>
        {w.addressIs} <strong>{now.address}</strong>
      </p>
      {now.address_is_set ? (
        <p class="note">{w.addressSet}</p>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (!same) setAsks(true);
          }}
        >
          {here !== now.address && to !== here && (
            <p class="hint">
              {w.addressHereHint(here)}{' '}
              <button type="button" class="small" onClick={() => setTo(here)}>
                {w.addressHere(here)}
              </button>
            </p>
          )}
          <Text label={w.addressNew} hint={w.addressHint} value={to} set={setTo} maxLength={200} autocomplete="url" />
          <button type="submit" aria-disabled={same}>
            {w.addressSave}
          </button>
        </form>
      )}
      {asks && <Confirm title={w.addressAsk} lead={<Cost to={clean(to)} />} act={w.addressSave} danger go={move} close={() => setAsks(false)} />}
    </Part>
  );
}

function Cost({ to }: { to: string }) {
  const { addressTo, addressLead } = oversight.value;
  return (
    <>
      <p>
        {addressTo} <strong>{to}</strong>
      </p>
      <Doubt address={to} />
      <p>{addressLead}</p>
    </>
  );
}

function Recovery({ now }: { now: ServerInfo }) {
  const { sheet, sheetNone, sheetMade, sheetKept, sheetLoose, sheetGo } = oversight.value;
  const { recovery } = now;
  return (
    <Part title={sheet}>
      <p>{recovery ? `${sheetMade(moment(recovery.made), personName(recovery.by))} ${recovery.kept ? sheetKept : sheetLoose}` : sheetNone}</p>
      {recovery?.unsynchronised && <Said text={desk.value.clockUnsure} />}
      {myRole() === 'owner' && (
        <p>
          <Link to="/sheet">{sheetGo}</Link>
        </p>
      )}
    </Part>
  );
}
