// Groups and channels, as far as one may know of them, and handing over what one owns. What must not live here: a group's own
// settings.
import { useState } from 'preact/hooks';
import { count, desk } from '../../i18n/desk';
import { office } from '../../i18n/office';
import { uuidv7 } from '../../engine/ids';
import type { Discovered, JoinRule, MemberInfo, Role } from '../../proto';
import { conversations, me, titleOf } from '../state';
import { command } from './http';
import { Confirm, Link, Loaded, Page, Select, Table, useLoad } from './parts';

interface Group {
  id: string;
  title: string;
  members: number;
  join: JoinRule;
  role: Role | undefined;
}

const PAGE = 200;

async function findable(): Promise<Discovered[]> {
  const all: Discovered[] = [];
  for (;;) {
    const after = all.at(-1)?.conversation;
    const page = await command('discover', { type: 'discover', limit: PAGE, ...(after ? { after } : {}) });
    all.push(...page.conversations);
    if (!page.more || !page.conversations.length) return all;
  }
}

async function known(): Promise<Group[]> {
  const found = await findable();
  const own = [...conversations.value.values()].filter((one) => one.kind !== 'direct' && !one.gone && !one.unnamed);
  const groups = new Map<string, Group>();
  for (const one of found) groups.set(one.conversation, { id: one.conversation, title: one.title, members: one.members, join: one.join, role: undefined });
  for (const one of own) groups.set(one.id, { id: one.id, title: titleOf(one), members: one.members, join: one.join, role: one.role });
  return [...groups.values()].sort((one, other) => one.title.localeCompare(other.title));
}

export function Groups() {
  const load = useLoad(known, [conversations.value]);
  const [asked, ask] = useState<Group>();
  const w = office.value;
  const { roles } = desk.value;
  const columns = [
    { name: w.name, head: true, of: (one: Group) => (one.role ? <Link to={`/c/${one.id}`}>{one.title}</Link> : one.title) },
    { name: w.members, number: true, of: (one: Group) => count(one.members) },
    { name: w.joinRule, of: (one: Group) => w.joins[one.join] },
    { name: w.yourRole, of: (one: Group) => (one.role ? roles[one.role] : w.notIn) },
    {
      name: '',
      of: (one: Group) =>
        one.role === 'owner' ? (
          <div class="choices">
            <button type="button" class="small" aria-label={`${w.hand}: ${one.title}`} onClick={() => ask(one)}>
              {w.hand}
            </button>
          </div>
        ) : (
          ''
        ),
    },
  ];
  return (
    <Page title={w.groups} back="/admin" lead={w.groupsLead}>
      <Loaded from={load}>{(groups) => <Table label={w.groups} columns={columns} rows={groups} keyOf={(one) => one.id} empty={w.noGroups} />}</Loaded>
      {asked && <HandOver group={asked} close={() => ask(undefined)} />}
    </Page>
  );
}

async function members(conversation: string): Promise<MemberInfo[]> {
  const all: MemberInfo[] = [];
  for (;;) {
    const after = all.at(-1)?.user;
    const page = await command('members', { type: 'members', conversation, limit: PAGE, ...(after ? { after } : {}) });
    all.push(...page.members);
    if (!page.more || !page.members.length) return all;
  }
}

function HandOver({ group, close }: { group: Group; close: () => void }) {
  const load = useLoad(async () => (await members(group.id)).filter((one) => one.user !== me.value && !one.bot));
  const [chosen, setChosen] = useState('');
  const [client_id] = useState(uuidv7);
  const w = office.value;
  const to = chosen || load.value?.[0]?.user || '';
  const hand = async () => {
    if (to) await command('ack', { type: 'transfer', client_id, conversation: group.id, user: to });
  };
  const named = (one: MemberInfo) => [one.user, one.display_name || one.name] as const;
  return (
    <Confirm title={w.handTitle(group.title)} lead={<p>{w.handLead}</p>} act={w.hand} danger go={hand} close={close}>
      <Loaded from={load}>{(all) => (all.length ? <Select label={w.handTo} value={to} set={setChosen} options={all.map(named)} /> : <p>{w.handNobody}</p>)}</Loaded>
    </Confirm>
  );
}
