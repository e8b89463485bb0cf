// The password, and who came in with it. What must not live here: devices.
import { useState } from 'preact/hooks';
import { moment } from '../../i18n/desk';
import { mine } from '../../i18n/mine';
import type { SignInEntry, SignInList } from '../../proto';
import { get, post } from '../admin/http';
import { Loaded, Page, Part, Said, Table, useLoad } from '../admin/parts';
import { Field, Form } from '../parts';

export function Security() {
  const { security } = mine.value;
  return (
    <Page title={security} back="/me">
      <Password />
      <SignIns />
    </Page>
  );
}

function Password() {
  const [current, setCurrent] = useState('');
  const [fresh, setFresh] = useState('');
  const [said, setSaid] = useState('');
  const change = async () => {
    setSaid('');
    await post('password', { current, new: fresh });
    setCurrent('');
    setFresh('');
    setSaid(mine.value.changed);
  };
  const { password, passwordLead, passwordHint, changeIt } = mine.value;
  return (
    <Part title={password} hint={passwordLead}>
      <Form go={change} label={changeIt}>
        <Field label={mine.value.current} type="password" value={current} onInput={setCurrent} autocomplete="current-password" />
        <Field label={mine.value.fresh} hint={passwordHint} type="password" value={fresh} onInput={setFresh} autocomplete="new-password" />
      </Form>
      <Said text={said} />
    </Part>
  );
}

function SignIns() {
  const load = useLoad(() => get<SignInList>('sign-ins'));
  const { signIns, signInsLead, when, device, from, how, hows, refused, refusedSince, noSignIns, thisDevice } = mine.value;
  const columns = [
    { name: when, head: true, of: (one: SignInEntry) => moment(one.ts) },
    {
      name: device,
      of: (one: SignInEntry) => (
        <span>
          {one.device_name} {one.current && <span class="tag">{thisDevice}</span>}
        </span>
      ),
    },
    { name: from, of: (one: SignInEntry) => one.address ?? '' },
    { name: how, of: (one: SignInEntry) => hows[one.how] ?? one.how },
    { name: refused, number: true, of: (one: SignInEntry) => (one.refused ? <span class="tag warn">{one.refused}</span> : '') },
  ];
  return (
    <Part title={signIns} hint={signInsLead}>
      <Loaded from={load}>
        {(list) => (
          <>
            {list.refused_since > 0 && <p class="trouble">{refusedSince(list.refused_since)}</p>}
            <Table label={signIns} columns={columns} rows={list.sign_ins} keyOf={(one) => `${one.ts} ${one.device}`} empty={noSignIns} />
          </>
        )}
      </Loaded>
    </Part>
  );
}
