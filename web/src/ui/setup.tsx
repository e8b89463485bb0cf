// The first run: who has the claim code makes the team, its group and the first invitation. What must not live here: joining.
import { useMemo, useState } from 'preact/hooks';
import { uuidv7 } from '../engine/ids';
import { Lost } from '../engine/refusal';
import type { InvitationInfo } from '../proto';
import { date, words } from '../i18n';
import { enter } from './enter';
import { CopyLink, Field, Form, Qr, Sheet } from './parts';
import { go } from './route';
import { engine, session } from './state';

const USES = 20;
const DAYS = 7;

/** Made at the first try and the same at each further one, so that nothing is made twice. */
interface Ids {
  group: string;
  invitation: string;
}

export async function teamWith(team: string, ids: Ids): Promise<InvitationInfo> {
  const create = { id: 1, type: 'create', client_id: ids.group, kind: 'group', title: team, history: true };
  // Over HTTP, so that it needs no open line.
  const reply = await engine().api.command(create);
  if (reply.type !== 'ack') throw new Lost('no ack');
  return invitationInto(reply.conversation, ids.invitation);
}

export function invitationInto(conversation: string, client_id: string): Promise<InvitationInfo> {
  return engine().api.invite({ client_id, role: 'member', uses: USES, days: DAYS, conversation });
}

export function Setup({ done }: { done: () => void }) {
  const [code, setCode] = useState('');
  const [team, setTeam] = useState('');
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [invitation, setInvitation] = useState<InvitationInfo>();
  const ids = useMemo(() => ({ group: uuidv7(), invitation: uuidv7() }), []);
  const create = async () => {
    // A second try after the claim went through only does what is left.
    if (!session.value) await enter((device) => engine().api.claim({ code: code.trim(), name: name.trim(), password, device }));
    setInvitation(await teamWith(team.trim(), ids));
  };
  const { setupTitle, setupLead, claimCode, claimHint, teamName, yourName, nameHint, passwordHint, setupGo } = words.value;
  if (invitation) return <FirstInvitation invitation={invitation} team={team} done={done} />;
  return (
    <Sheet title={setupTitle}>
      <p>{setupLead}</p>
      <Form go={create} label={setupGo}>
        <Field label={claimCode} hint={claimHint} value={code} onInput={setCode} inputMode="numeric" maxLength={12} autofocus />
        <Field label={teamName} value={team} onInput={setTeam} maxLength={60} />
        <Field label={yourName} hint={nameHint} value={name} onInput={setName} autocomplete="username" maxLength={32} />
        <Field label={words.value.password} hint={passwordHint} type="password" value={password} onInput={setPassword} autocomplete="new-password" />
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
    <Sheet title={words.value.inviteTitle}>
      <Invitation invitation={invitation} team={team} />
      <button type="button" class="main" onClick={finish}>
        {words.value.startTalking}
      </button>
    </Sheet>
  );
}

export function Invitation({ invitation, team }: { invitation: InvitationInfo; team: string }) {
  const { inviteLead, inviteOver, qrLabel, address, addressOther } = words.value;
  const { origin } = new URL(invitation.link);
  return (
    <>
      <p>{inviteLead(team)}</p>
      <Qr text={invitation.link} label={qrLabel} />
      <CopyLink link={invitation.link} />
      <p class="hint">{inviteOver(invitation.uses, date(invitation.expires))}</p>
      <p class="hint">
        {address} <strong>{origin}</strong>. {origin === location.origin ? '' : addressOther(location.origin)}
      </p>
    </>
  );
}
