// The people of the server, a page at a time. What must not live here: one of them (person.tsx).
import { useState } from 'preact/hooks';
import { desk } from '../../i18n/desk';
import { office } from '../../i18n/office';
import type { UserInfo, UserList } from '../../proto';
import { Avatar } from '../avatar';
import { me } from '../state';
import { get } from './http';
import { Link, Loaded, Page, Pager, Switch, Table, Text, useLoad } from './parts';

const ROWS = 50;

export function People() {
  const [find, setFind] = useState('');
  const [gone, setGone] = useState(false);
  /** The last names of the pages before this one. */
  const [trail, setTrail] = useState<readonly string[]>([]);
  const after = trail.at(-1);
  const load = useLoad(() => get<UserList>('users', { find: find.trim(), after, limit: ROWS, deactivated: gone ? 'true' : undefined }), [find, gone, after]);
  const { people, peopleFind, peopleGone, noPeople, noGone, invitations } = office.value;
  const search = (text: string) => {
    setTrail([]);
    setFind(text);
  };
  const turn = (on: boolean) => {
    setTrail([]);
    setGone(on);
  };
  const empty = find ? desk.value.nothingFound : gone ? noGone : noPeople;
  return (
    <Page title={people} back="/admin" actions={<Link to="/admin/invitations" class="button">{invitations}</Link>}>
      <div class="fields">
        <Text label={peopleFind} type="search" value={find} set={search} />
        <Switch label={peopleGone} on={gone} set={turn} />
      </div>
      <Loaded from={load}>
        {(list) => (
          <>
            <Rows users={list.users} empty={empty} />
            <Pager back={trail.length ? () => setTrail(trail.slice(0, -1)) : undefined} on={list.more ? () => setTrail([...trail, list.users.at(-1)!.name]) : undefined} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Rows({ users, empty }: { users: readonly UserInfo[]; empty: string }) {
  const { people, name, role, state } = office.value;
  const columns = [
    {
      name,
      head: true,
      of: (user: UserInfo) => (
        <span class="person">
          <Avatar name={user.display_name || user.name} seed={user.user} />
          <span>
            <Link to={`/admin/people/${user.user}`}>{user.display_name || user.name}</Link>
            <small>{user.name}</small>
          </span>
        </span>
      ),
    },
    { name: role, of: (user: UserInfo) => desk.value.roles[user.role ?? 'member'] },
    { name: state, of: (user: UserInfo) => <Tags user={user} /> },
  ];
  return <Table label={people} columns={columns} rows={users} keyOf={(user) => user.user} empty={empty} />;
}

/** What is not as usual with somebody. */
export function Tags({ user }: { user: UserInfo }) {
  const w = office.value;
  const plain = [user.user === me.value && w.you, user.bot && w.bot].filter(Boolean);
  const warned = [user.erased ? w.erased : user.deactivated ? w.deactivated : user.disabled && w.disabled].filter(Boolean);
  if (!plain.length && !warned.length) return null;
  return (
    <span class="tags">
      {plain.map((text) => (
        <span key={text} class="tag">
          {text}
        </span>
      ))}
      {warned.map((text) => (
        <span key={text} class="tag warn">
          {text}
        </span>
      ))}
    </span>
  );
}
