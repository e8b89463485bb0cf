// Another person's devices, and signing one of them out. What must not live here: one's own (mine/devices.tsx).
import { useState } from 'preact/hooks';
import { ago, desk, moment } from '../../i18n/desk';
import { office } from '../../i18n/office';
import { oversight } from '../../i18n/oversight';
import type { UserDevice, UserDevices } from '../../proto';
import { get, post } from './http';
import { Confirm, Loaded, Part, Said, Table, useLoad } from './parts';

export function Devices({ user }: { user: string }) {
  const load = useLoad(() => get<UserDevices>(`users/${user}/devices`), [user]);
  const [asked, ask] = useState<UserDevice>();
  const [said, setSaid] = useState('');
  const w = oversight.value;
  const end = (device: UserDevice) => async () => {
    await post(`users/${user}/devices/end`, { device: device.id });
    setSaid(desk.value.done);
    load.again();
  };
  return (
    <Part title={w.devices} hint={w.devicesHint}>
      <Said text={said} />
      <Loaded from={load}>{({ devices }) => <List devices={devices} ask={ask} />}</Loaded>
      {asked && <Confirm title={w.endTitle(asked.name)} lead={<p>{w.endLead}</p>} act={w.endOne} danger go={end(asked)} close={() => ask(undefined)} />}
    </Part>
  );
}

function List({ devices, ask }: { devices: readonly UserDevice[]; ask: (device: UserDevice) => void }) {
  const w = oversight.value;
  const columns = [
    { name: w.device, head: true, of: (one: UserDevice) => one.name || '—' },
    { name: office.value.lastSeen, of: (one: UserDevice) => (one.last_seen == null ? w.unseen : ago(one.last_seen)) },
    { name: w.since, of: (one: UserDevice) => moment(one.created) },
    {
      name: '',
      of: (one: UserDevice) =>
        one.signed_in ? (
          <div class="choices">
            <button type="button" class="small danger" aria-label={`${w.endOne}: ${one.name}`} onClick={() => ask(one)}>
              {w.endOne}
            </button>
          </div>
        ) : (
          <div class="choices hint">{w.signedOut}</div>
        ),
    },
  ];
  return <Table label={w.devices} columns={columns} rows={devices} keyOf={(one) => one.id} empty={w.noDevices} />;
}
