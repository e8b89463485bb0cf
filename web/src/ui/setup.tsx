// The first run: who has the claim code makes the team, its group, the emergency sheet and the first invitation. Fetched when
// there is a first run. What must not live here: joining, and what the sheet looks like (first/sheet.tsx).
import { useMemo, useState } from 'preact/hooks';
import { uuidv7 } from '../engine/ids';
import { Lost } from '../engine/refusal';
import type { InvitationInfo, RecoveryKey } from '../proto';
import { words } from '../i18n';
import { firstWords } from '../i18n/first';
import { enter } from './enter';
import { Field, Form, Sheet } from './parts';
import { EmergencySheet } from './first/sheet';
import { addressHere } from './first/address';
import { firstRun, team as teamName } from './first/team';
import { Invitation, invitationInto } from './invitation';
import { go } from './route';
import { engine, session } from './state';
import { Doubt, refusedAddress } from './first/doubt';
import { rightCode, rightName, rightPassword } from './first/right';

/** Made at the first try and the same at each further one, so that nothing is made twice. */
interface Ids {
  key: string;
  group: string;
  invitation: string;
}

interface Made {
  key: RecoveryKey;
  invitation: InvitationInfo;
}

async function groupOf(team: string, client_id: string): Promise<string> {
  // Over HTTP, so that it needs no open line.
  const reply = await engine().api.command({ id: 1, type: 'create', client_id, kind: 'group', title: team, history: true });
  if (reply.type !== 'ack') throw new Lost('no ack');
  return reply.conversation;
}

async function makeAll(team: string, ids: Ids): Promise<Made> {
  const key = await engine().api.recoveryKey({ client_id: ids.key });
  return { key, invitation: await invitationInto(await groupOf(team, ids.group), ids.invitation) };
}

interface Founding {
  code: string;
  team: string;
  name: string;
  password: string;
  /** Left out where the server's configuration decides. */
  address: string | undefined;
}

/** A second try after the claim went through only does what is left. */
async function found(with_: Founding, ids: Ids): Promise<Made> {
  const { code, team, name, password, address } = with_;
  if (!session.value) {
    await enter((device) => engine().api.claim({ code, name, password, device, team, address })).catch((error: unknown) => {
      throw refusedAddress(error, address ?? '');
    });
    teamName.value = team;
  }
  return makeAll(team, ids);
}

export function Setup({ done }: { done: () => void }) {
  const [made, setMade] = useState<Made>();
  const [kept, setKept] = useState(false);
  const [said, setSaid] = useState({ team: '', name: '' });
  if (!made) {
    const go = (all: Made, team: string, name: string) => {
      setSaid({ team, name });
      setMade(all);
    };
    return <Begin made={go} />;
  }
  if (kept) return <FirstInvitation invitation={made.invitation} team={said.team} done={done} />;
  const address = new URL(made.invitation.link).origin;
  return <EmergencySheet made={made.key} team={said.team} name={said.name} address={address} done={() => setKept(true)} />;
}

function Begin({ made }: { made: (all: Made, team: string, name: string) => void }) {
  const first = firstRun.value;
  const [code, setCode] = useState('');
  const [team, setTeam] = useState('');
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [address, setAddress] = useState(first ? addressHere(first.address) : location.origin);
  const ids = useMemo(() => ({ key: uuidv7(), group: uuidv7(), invitation: uuidv7() }), []);
  const create = async () => {
    const clean = { code: code.trim(), team: team.trim(), name: name.trim(), password };
    made(await found({ ...clean, address: first?.address_is_set ? undefined : address.trim() }, ids), clean.team, clean.name);
  };
  const { setupTitle, setupLead, claimCode, claimHint, teamName, yourName, nameHint, passwordHint, setupGo } = words.value;
  const { setupAddress, setupAddressHint, setupAddressSet } = firstWords.value;
  return (
    <Sheet title={setupTitle}>
      <p>{setupLead}</p>
      <Form go={create} label={setupGo}>
        <Field label={claimCode} hint={claimHint} value={code} onInput={setCode} inputMode="numeric" maxLength={12} autofocus check={rightCode} />
        <Field label={teamName} value={team} onInput={setTeam} maxLength={60} />
        <Field label={yourName} hint={nameHint} value={name} onInput={setName} autocomplete="username" maxLength={32} check={rightName} />
        <Field label={words.value.password} hint={passwordHint} type="password" value={password} onInput={setPassword} autocomplete="new-password" check={rightPassword} />
        {first?.address_is_set ? (
          <p class="hint">{setupAddressSet(first.address)}</p>
        ) : (
          <>
            <Field label={setupAddress} hint={setupAddressHint} value={address} onInput={setAddress} autocomplete="url" maxLength={200} />
            <Doubt address={address} known={first ? [first.address] : []} />
          </>
        )}
      </Form>
    </Sheet>
  );
}

function FirstInvitation({ invitation, team, done }: { invitation: InvitationInfo; team: string; done: () => void }) {
  const finish = () => {
    done();
    go(invitation.conversation ? `/c/${invitation.conversation}` : '/', true);
  };
  return (
    <Sheet title={words.value.inviteTitle} arrive>
      <Invitation invitation={invitation} team={team} leave={done} />
      <button type="button" class="main" onClick={finish}>
        {words.value.startTalking}
      </button>
    </Sheet>
  );
}
