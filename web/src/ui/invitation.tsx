// An invitation as it is handed on: its QR code, its link, for how many and until when. What must not live here: who makes it
// when.
import type { InvitationInfo } from '../proto';
import { date, words } from '../i18n';
import { CopyLink, Qr } from './parts';
import { engine } from './state';

const USES = 20;
const DAYS = 7;

export function invitationInto(conversation: string, client_id: string): Promise<InvitationInfo> {
  return engine().api.invite({ client_id, role: 'member', uses: USES, days: DAYS, conversation });
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
