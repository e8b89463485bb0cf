// Open invitations: made, shown, revoked. What must not live here: joining by one.
import { useMemo, useState } from 'preact/hooks';
import { desk, moment } from '../../i18n/desk';
import { office } from '../../i18n/office';
import { uuidv7 } from '../../engine/ids';
import type { InvitationInfo, InvitationList, ServerRole } from '../../proto';
import { Window } from '../dialogs';
import { AddressHint } from '../invitation';
import { myRole } from '../menu';
import { CopyLink, Form, Qr } from '../parts';
import { conversations, personName, titleOf } from '../state';
import { get, post, send } from './http';
import { Confirm, Loaded, Page, Select, Table, Text, useLoad } from './parts';

type Asked = { what: 'new' } | { what: 'show' | 'revoke'; invitation: InvitationInfo } | undefined;

const into = (one: InvitationInfo): string => {
  const record = one.conversation ? conversations.value.get(one.conversation) : undefined;
  return record ? titleOf(record) : '';
};

const ledByMe = () => [...conversations.value.values()].filter((one) => one.kind !== 'direct' && one.role !== 'member' && !one.gone && !one.unnamed);

/** Those to the server, and those into groups that one leads, which each group has in a list of its own. */
async function open(): Promise<InvitationInfo[]> {
  const lists = [undefined, ...ledByMe().map((one) => one.id)].map((conversation) => get<InvitationList>('invitations', { conversation }));
  const told = await Promise.all(lists);
  return told.flatMap((list) => list.invitations).sort((one, other) => one.expires - other.expires);
}

export function Invitations() {
  const load = useLoad(open);
  const [asked, ask] = useState<Asked>();
  const w = office.value;
  const close = () => ask(undefined);
  const revoke = (invitation: InvitationInfo) => async () => {
    await send('DELETE', `invitations/${invitation.id}`);
    load.again();
  };
  const make = (
    <button type="button" class="main" onClick={() => ask({ what: 'new' })}>
      {w.newInvitation}
    </button>
  );
  return (
    <Page title={w.invitations} back="/admin" lead={w.invitationsLead} actions={make}>
      <Loaded from={load}>{(list) => <Rows list={list} ask={ask} />}</Loaded>
      {asked?.what === 'new' && <Make close={close} made={load.again} />}
      {asked?.what === 'show' && <Show invitation={asked.invitation} close={close} />}
      {asked?.what === 'revoke' && <Confirm title={w.revokeTitle} lead={<p>{w.revokeLead}</p>} act={w.revoke} danger go={revoke(asked.invitation)} close={close} />}
    </Page>
  );
}

function Rows({ list, ask }: { list: readonly InvitationInfo[]; ask: (asked: Asked) => void }) {
  const w = office.value;
  const columns = [
    { name: w.code, head: true, of: (one: InvitationInfo) => one.code },
    { name: w.role, of: (one: InvitationInfo) => desk.value.roles[one.role] },
    { name: w.into, of: into },
    { name: w.uses, of: (one: InvitationInfo) => w.usedOf(one.used, one.uses) },
    { name: w.until, of: (one: InvitationInfo) => moment(one.expires) },
    { name: w.by, of: (one: InvitationInfo) => personName(one.by) },
    {
      name: '',
      of: (one: InvitationInfo) => (
        <div class="choices">
          <button type="button" class="small" aria-label={`${w.show}: ${one.code}`} onClick={() => ask({ what: 'show', invitation: one })}>
            {w.show}
          </button>
          <button type="button" class="small danger" aria-label={`${w.revoke}: ${one.code}`} onClick={() => ask({ what: 'revoke', invitation: one })}>
            {w.revoke}
          </button>
        </div>
      ),
    },
  ];
  return <Table label={w.invitations} columns={columns} rows={list} keyOf={(one) => one.id} empty={w.noInvitations} />;
}

function Code({ invitation }: { invitation: InvitationInfo }) {
  const { invitationQr, code, usedOf, until } = office.value;
  return (
    <div class="secret">
      <Qr text={invitation.link} label={invitationQr} />
      <CopyLink link={invitation.link} />
      <AddressHint link={invitation.link} />
      <p>
        {code}: <strong>{invitation.code}</strong>
      </p>
      <p class="hint">
        {usedOf(invitation.used, invitation.uses)}. {until}: {moment(invitation.expires)}
      </p>
    </div>
  );
}

function Show({ invitation, close }: { invitation: InvitationInfo; close: () => void }) {
  return (
    <Window title={into(invitation) || office.value.invitations} close={close}>
      <Code invitation={invitation} />
    </Window>
  );
}

const number = (text: string, most: number) => Math.min(most, Math.max(1, Math.round(Number(text)) || 1));

function Make({ close, made }: { close: () => void; made: () => void }) {
  const [role, setRole] = useState<ServerRole>('member');
  const [uses, setUses] = useState('1');
  const [days, setDays] = useState('7');
  const [group, setGroup] = useState('');
  const [invitation, setInvitation] = useState<InvitationInfo>();
  // Another invitation than the one that was asked for before needs another id.
  const client_id = useMemo(uuidv7, [role, uses, days, group]);
  const w = office.value;
  const { roles } = desk.value;
  const groups = ledByMe();
  const make = async () => {
    const body = { client_id, role, uses: number(uses, 1_000), days: number(days, 365), ...(group ? { conversation: group } : {}) };
    setInvitation(await post<InvitationInfo>('invitations', body));
    made();
  };
  if (invitation) return <Show invitation={invitation} close={close} />;
  // A link into a group makes members only.
  const offered: ServerRole[] = myRole() === 'owner' && !group ? ['member', 'admin', 'owner'] : ['member'];
  return (
    <Window title={w.newInvitation} close={close}>
      <Form go={make} label={w.make}>
      <Select label={w.into} value={group} set={(id) => { setGroup(id); if (id) setRole('member'); }} options={[['', w.intoNone], ...groups.map((one) => [one.id, titleOf(one)] as const)]} />
      <Select label={w.invitedAs} value={role} set={setRole} options={offered.map((one) => [one, roles[one]!] as const)} />
      <div class="fields">
        <Text label={w.uses} type="number" min={1} max={1000} value={uses} set={setUses} />
        <Text label={w.days} type="number" min={1} max={365} value={days} set={setDays} />
      </div>
      </Form>
    </Window>
  );
}
