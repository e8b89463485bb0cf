// An invitation as it is handed on: its QR code, its link, for how many and until when. What must not live here: who makes it
// when.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { uuidv7 } from '../engine/ids';
import type { InvitationInfo, InvitationList } from '../proto';
import { date, words } from '../i18n';
import { myRole } from './menu';
import { hasOwnAuthority, isLoopback } from './first/address';
import { hasTrustPage, WAY } from './first/trust';
import { CopyLink, Form, Qr } from './parts';
import { go } from './route';
import { engine, me } from './state';

const USES = 20;
const DAYS = 7;
const DAY_MS = 86_400_000;

/** The one made last from this page: with an unsure clock it cannot be told by when they end. */
let newest: string | undefined;

/** Of members of the server, and of a group if it leads into one. */
export async function invitationInto(conversation: string | undefined, client_id: string): Promise<InvitationInfo> {
  const made = await engine().api.invite({ client_id, role: 'member', uses: USES, days: DAYS, ...(conversation ? { conversation } : {}) });
  newest = made.id;
  return made;
}

interface Handed {
  invitation: InvitationInfo;
  /** It was made before. */
  again: boolean;
}

/** What was made just now is shown once more as long as nobody came by it, and another one is made when it is wished for. */
export function useInvitation(conversation: string | undefined) {
  const [handed, hand] = useState<Handed>();
  const client_id = useMemo(uuidv7, [handed?.invitation.id]);
  const another = async () => hand({ invitation: await invitationInto(conversation, client_id), again: false });
  const make = async () => {
    const invitation = await unusedInvitation(conversation);
    if (invitation) hand({ invitation, again: true });
    else await another();
  };
  return { handed, make, another };
}

/** Of one that was made before. */
export function Another({ go }: { go: () => Promise<void> }) {
  const { inviteAgain, inviteAnother } = words.value;
  return (
    <Form go={go} label={inviteAnother} quiet>
      <p class="hint">{inviteAgain}</p>
    </Form>
  );
}

/** One's own that was made with the same wishes within a day, by which nobody has come yet: as good as another one. */
async function unusedInvitation(conversation: string | undefined): Promise<InvitationInfo | undefined> {
  const query = conversation ? `?conversation=${conversation}` : '';
  const { invitations } = await engine().api.call<InvitationList>('GET', `/api/v1/invitations${query}`);
  const early = Date.now() + (DAYS - 1) * DAY_MS;
  const same = (one: InvitationInfo) => one.by === me.value && one.role === 'member' && one.used === 0 && one.uses === USES && (one.conversation ?? undefined) === conversation;
  const good = invitations.filter((one) => same(one) && one.expires > early);
  return good.find(({ id }) => id === newest) ?? good.sort((one, other) => other.expires - one.expires)[0];
}

/** The address in a link; where the page was opened by another one, the way to change it. `leave`: before one goes there. */
export function AddressHint({ link, leave }: { link: string; leave?: (() => void) | undefined }) {
  const { address, addressOther, addressOnlyHere, addressAsk, addressPage } = words.value;
  const { origin, hostname } = new URL(link);
  const onlyHere = isLoopback(hostname);
  const follow = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    leave?.();
    go('/admin/server');
  };
  return (
    <p class={onlyHere ? 'note doubt' : 'hint'}>
      {address} <strong>{origin}</strong>.{' '}
      {(onlyHere || origin !== location.origin) && (
        <>
          {onlyHere ? addressOnlyHere : addressOther(location.origin)}{' '}
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

/** Where the certificate is the server's own: what a newcomer's browser will say, and how they get past it for good. */
function WarningAhead({ link }: { link: string }) {
  const [way, setWay] = useState(false);
  useEffect(() => {
    if (hasOwnAuthority(new URL(link))) void hasTrustPage().then(setWay);
  }, [link]);
  const { inviteWarned, inviteWarnedWay } = words.value;
  if (!way) return null;
  return (
    <p class="hint">
      {inviteWarned}{' '}
      <a href={WAY} target="_blank" rel="noopener">
        {inviteWarnedWay}
      </a>
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
      <WarningAhead link={invitation.link} />
      <AddressHint link={invitation.link} leave={leave} />
    </>
  );
}
