// One's devices: which they are, signing them out, and letting another one in. What must not live here: sign-ins that were.
import { useState } from 'preact/hooks';
import { ago, moment } from '../../i18n/desk';
import { mine } from '../../i18n/mine';
import { desk } from '../../i18n/desk';
import type { DeviceInfo, DeviceList, SessionsEnded } from '../../proto';
import { get, post, send } from '../admin/http';
import { Confirm, type Load, Loaded, Page, Said, Table, Text, useLoad } from '../admin/parts';
import { signOut } from '../menu';
import { Pairing } from './pairing';

type Asked = { what: 'end' | 'rename'; device: DeviceInfo } | { what: 'others' | 'all' | 'add' } | undefined;

export function Devices() {
  const load = useLoad(() => get<DeviceList>('devices'));
  const [asked, ask] = useState<Asked>();
  const [said, setSaid] = useState('');
  const { devices, devicesLead, addDevice, endOthers, endAll } = mine.value;
  const add = (
    <button type="button" class="main" onClick={() => ask({ what: 'add' })}>
      {addDevice}
    </button>
  );
  return (
    <Page title={devices} back="/me" lead={devicesLead} actions={add}>
      <Said text={said} />
      <Loaded from={load}>{(list) => <List list={list} ask={ask} />}</Loaded>
      <div class="choices">
        <button type="button" onClick={() => ask({ what: 'others' })}>
          {endOthers}
        </button>
        <button type="button" class="danger" onClick={() => ask({ what: 'all' })}>
          {endAll}
        </button>
      </div>
      <Question asked={asked} load={load} say={setSaid} close={() => ask(undefined)} />
    </Page>
  );
}

function List({ list, ask }: { list: DeviceList; ask: (asked: Asked) => void }) {
  const { devices, device, thisDevice, lastSeen, since, rename, endOne, oldDevices } = mine.value;
  const columns = [
    {
      name: device,
      head: true,
      of: (one: DeviceInfo) => (
        <span class="tags">
          {one.name || '—'} {one.current && <span class="tag">{thisDevice}</span>}
        </span>
      ),
    },
    { name: lastSeen, of: (one: DeviceInfo) => (one.current ? desk.value.now : ago(one.last_seen)) },
    { name: since, of: (one: DeviceInfo) => moment(one.created) },
    {
      name: '',
      of: (one: DeviceInfo) => (
        <div class="choices">
          <button type="button" class="small" aria-label={`${rename}: ${one.name}`} onClick={() => ask({ what: 'rename', device: one })}>
            {rename}
          </button>
          {one.signed_in && !one.current && (
            <button type="button" class="small danger" aria-label={`${endOne}: ${one.name}`} onClick={() => ask({ what: 'end', device: one })}>
              {endOne}
            </button>
          )}
        </div>
      ),
    },
  ];
  const there = list.devices.filter((one) => one.signed_in);
  const gone = list.devices.filter((one) => !one.signed_in);
  return (
    <>
      <Table label={devices} columns={columns} rows={there} keyOf={(one) => one.id} empty="—" />
      {gone.length > 0 && (
        <details>
          <summary>{oldDevices(gone.length)}</summary>
          <Table label={oldDevices(gone.length)} columns={columns} rows={gone} keyOf={(one) => one.id} empty="—" />
        </details>
      )}
    </>
  );
}

function Question({ asked, load, say, close }: { asked: Asked; load: Load<DeviceList>; say: (text: string) => void; close: () => void }) {
  if (!asked) return null;
  const { endOthers, endOthersLead, endAll, endAllLead, endOne, endOneTitle, endOneLead, ended } = mine.value;
  const everywhere = async (keep_this: boolean) => {
    const { ended: count } = await post<SessionsEnded>('sign-out-everywhere', { keep_this });
    say(ended(count));
    if (keep_this) load.again();
    else await signOut();
  };
  if (asked.what === 'add') return <Pairing close={close} done={load.again} />;
  if (asked.what === 'others') return <Confirm title={endOthers} lead={<p>{endOthersLead}</p>} act={endOthers} danger go={() => everywhere(true)} close={close} />;
  if (asked.what === 'all') return <Confirm title={endAll} lead={<p>{endAllLead}</p>} act={endAll} danger go={() => everywhere(false)} close={close} />;
  if (!('device' in asked)) return null;
  const { device } = asked;
  if (asked.what === 'rename') return <Rename device={device} load={load} close={close} />;
  const end = async () => {
    await send('DELETE', `devices/${device.id}`);
    load.again();
  };
  return <Confirm title={endOneTitle(device.name)} lead={<p>{endOneLead}</p>} act={endOne} danger go={end} close={close} />;
}

function Rename({ device, load, close }: { device: DeviceInfo; load: Load<DeviceList>; close: () => void }) {
  const [name, setName] = useState(device.name);
  const rename = async () => {
    await send('PATCH', `devices/${device.id}`, { name: name.trim() });
    load.again();
  };
  return (
    <Confirm title={mine.value.rename} lead={null} act={desk.value.save} go={rename} close={close}>
      <Text label={mine.value.renameTitle} value={name} set={setName} maxLength={64} />
    </Confirm>
  );
}
