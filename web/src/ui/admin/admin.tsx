// Administration: which pages there are, and the looking after the server's figures while one of them is open. What must not
// live here: the pages.
import { useEffect } from 'preact/hooks';
import { backups } from '../../i18n/backups';
import { box } from '../../i18n/box';
import { desk } from '../../i18n/desk';
import { office } from '../../i18n/office';
import { oversight } from '../../i18n/oversight';
import { words } from '../../i18n';
import { myRole } from '../menu';
import { Audit } from './audit';
import { Backups } from './backups';
import { Bots } from './bots';
import { Box } from './box';
import { Frame } from './frame';
import { Groups } from './groups';
import { Health } from './health';
import { Invitations } from './invitations';
import { Link } from './parts';
import { People } from './people';
import { Person } from './person';
import { Report, Reports } from './reports';
import { newest, watch } from './samples';
import { Server } from './server';
import { Settings } from './settings';
import { Storage } from './storage';

export function Admin({ at, row }: { at: string | undefined; row: string | undefined }) {
  // The server says no anyway; this says it in words.
  if (myRole() === 'member') return <NotYours />;
  return <Office at={at} row={row} />;
}

function NotYours() {
  return (
    <main class="old">
      <p role="alert">{words.value.errors.forbidden}</p>
      <Link to="/">{desk.value.toChat}</Link>
    </main>
  );
}

function Office({ at, row }: { at: string | undefined; row: string | undefined }) {
  useEffect(watch, []);
  const w = office.value;
  // Where nobody does it there is no page, but for one who came by its address.
  const hasBox = newest.value?.board?.asked || at === 'box';
  const entries = [
    { at: 'health', name: w.health, page: () => <Health /> },
    { at: 'people', name: w.people, page: () => (row ? <Person key={row} id={row} /> : <People />) },
    { at: 'invitations', name: w.invitations, page: () => <Invitations /> },
    { at: 'groups', name: w.groups, page: () => <Groups /> },
    { at: 'storage', name: w.storage, page: () => <Storage /> },
    { at: 'backups', name: backups.value.title, page: () => <Backups /> },
    { at: 'reports', name: w.reports, page: () => (row ? <Report key={row} no={row} /> : <Reports />) },
    { at: 'audit', name: w.audit, page: () => <Audit /> },
    { at: 'bots', name: w.bots, page: () => <Bots /> },
    { at: 'server', name: oversight.value.server, page: () => <Server /> },
    ...(hasBox ? [{ at: 'box', name: box.value.title, page: () => <Box /> }] : []),
    { at: 'settings', name: w.settings, page: () => <Settings /> },
  ];
  return <Frame base="/admin" title={words.value.administration} at={at} entries={entries} />;
}
