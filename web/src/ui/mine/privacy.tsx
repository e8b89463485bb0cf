// Who sees what of oneself: presence, what one has read, blocks. What must not live here: what a block does, which the server says.
import { useState } from 'preact/hooks';
import { desk } from '../../i18n/desk';
import { mine } from '../../i18n/mine';
import type { Kept } from '../../proto';
import { keep, mySettings } from '../admin/http';
import { Confirm, type Load, Loaded, Page, Part, Said, Select, Switch, Table, useAct, useLoad } from '../admin/parts';
import { me, personName, users } from '../state';

type Hiding = 'unseen' | 'reads_unseen';

interface Held {
  /** What one does not show. */
  hides: ReadonlySet<Hiding>;
  blocked: string[];
}

async function held(): Promise<Held> {
  const all = await mySettings();
  const blocked = all.flatMap((one) => (one.key === 'blocked' && one.value ? [one.user] : []));
  const hiding = (one: Kept): Hiding[] => ((one.key === 'unseen' || one.key === 'reads_unseen') && one.value ? [one.key] : []);
  return { hides: new Set(all.flatMap(hiding)), blocked };
}

export function Privacy() {
  const load = useLoad(held);
  const { privacy, unseen, unseenHint, reads, readsHint, readTitle, readHint } = mine.value;
  return (
    <Page title={privacy} back="/me">
      <Loaded from={load}>
        {(now) => (
          <>
            <Hide what="unseen" label={unseen} hint={unseenHint} now={now} load={load} />
            <Part title={readTitle} hint={readHint}>
              <Hide what="reads_unseen" label={reads} hint={readsHint} now={now} load={load} />
            </Part>
            <Blocks now={now} load={load} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Hide({ what, label, hint, now, load }: { what: Hiding; label: string; hint: string; now: Held; load: Load<Held> }) {
  const { run, wrong } = useAct();
  const [said, setSaid] = useState('');
  const hidden = (on: boolean): Held => {
    const hides = new Set(now.hides);
    if (on) hides.add(what);
    else hides.delete(what);
    return { ...now, hides };
  };
  const set = (on: boolean) =>
    run(async () => {
      load.put(hidden(on));
      try {
        await keep({ key: what, ...(on ? { value: true } : {}) });
      } catch (error) {
        load.put(hidden(!on));
        throw error;
      }
      setSaid(desk.value.saved);
    });
  return (
    <div>
      <Switch label={label} hint={hint} on={now.hides.has(what)} set={(on) => void set(on)} />
      <p class="wrong" role="alert">
        {wrong}
      </p>
      <Said text={said} />
    </div>
  );
}

function Blocks({ now, load }: { now: Held; load: Load<Held> }) {
  const { run, wrong } = useAct();
  const [whom, setWhom] = useState('');
  const [asks, setAsks] = useState(false);
  const lift = (user: string) =>
    run(async () => {
      await keep({ key: 'blocked', user });
      load.put({ ...now, blocked: now.blocked.filter((one) => one !== user) });
    });
  const block = async () => {
    await keep({ key: 'blocked', user: whom, value: true });
    load.put({ ...now, blocked: [...now.blocked, whom] });
    setWhom('');
  };
  const { blocks, blocksHint, noBlocks, unblock, blockWhom, blockTitle, blockLead, person } = mine.value;
  const others = [...users.value.values()].filter((user) => user.user !== me.value && !user.erased && !now.blocked.includes(user.user));
  const names = others.map((user) => [user.user, user.display_name || user.name] as const).sort((one, other) => one[1].localeCompare(other[1]));
  const columns = [
    { name: person, head: true, of: (user: string) => personName(user) },
    { name: '', of: (user: string) => <div class="choices"><button type="button" class="small" onClick={() => void lift(user)}>{unblock}</button></div> },
  ];
  return (
    <Part title={blocks} hint={blocksHint}>
      <Table label={blocks} columns={columns} rows={now.blocked} keyOf={(user) => user} empty={noBlocks} />
      <p class="wrong" role="alert">
        {wrong}
      </p>
      {names.length > 0 && (
        <div class="fields">
          <Select label={blockWhom} value={whom} set={setWhom} options={[['', '—'], ...names]} />
          <button type="button" class="danger lone" disabled={!whom} onClick={() => setAsks(true)}>
            {mine.value.block}
          </button>
        </div>
      )}
      {asks && <Confirm title={blockTitle(personName(whom))} lead={<p>{blockLead(personName(whom))}</p>} act={mine.value.block} danger go={block} close={() => setAsks(false)} />}
    </Part>
  );
}
