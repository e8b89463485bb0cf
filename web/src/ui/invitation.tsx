// An invitation as it is handed on: its QR code, its link, for how many and until when. What must not live here: who makes it
// when.
import type { InvitationInfo } from '../proto';
import { date, words } from '../i18n';
import { myRole } from './menu';
import { CopyLink, Qr } from './parts';
import { go } from './route';
import { engine } from './state';

const USES = 20;
const DAYS = 7;

export function invitationInto(conversation: string, client_id: string): Promise<InvitationInfo> {
  return engine().api.invite({ client_id, role: 'member', uses: USES, days: DAYS, conversation });
}

/** The address in a link; where the page was opened by another one, the way to change it. `leave`: before one goes there. */
export function AddressHint({ link, leave }: { link: string; leave?: (() => void) | undefined }) {
  const { address, addressOther, addressAsk, addressPage } = words.value;
  const { origin } = new URL(link);
  const follow = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    leave?.();
    go('/admin/server');
  };
  return (
    <p class="hint">
      {address} <strong>{origin}</strong>.{' '}
      {origin !== location.origin && (
        <>
          {addressOther(location.origin)}{' '}
          {myRole() === 'member' ? (
            addressAsk
          ) : (
            <a href="/admin/server" onClick={follow}>
              {addressPage}
            </a>
          )}
        </>
      )}
    </p>
  );
}

export function Invitation({ invitation, team, leave }: { invitation: InvitationInfo; team: string; leave?: () => void }) {
  const { inviteLead, inviteOver, qrLabel } = words.value;
  return (
    <>
      <p>{inviteLead(team)}</p>
      <Qr text={invitation.link} label={qrLabel} />
      <CopyLink link={invitation.link} />
      <p class="hint">{inviteOver(invitation.uses, date(invitation.expires))}</p>
      <AddressHint link={invitation.link} leave={leave} />
    </>
  );
}
