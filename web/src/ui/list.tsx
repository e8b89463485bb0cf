// The list of conversations. What must not live here: what is in them.
import type { ConversationRecord } from '../engine/records';
import { words } from '../i18n';
import type { Dialog } from './chat';
import { InstallSpot } from './installed/spot';
import { Menu } from './menu';
import { isSet, listed, session } from './state';
import { Row } from './talk/row';
import { Icon } from './together/icons';
import { finding } from './together/wishes';

interface Props {
  chosen: string | undefined;
  open: (dialog: Dialog) => void;
}

export function ConversationList({ chosen, open }: Props) {
  const { conversations, findAll, newMessage, newGroup, invite, noConversations } = words.value;
  return (
    <nav class="list" aria-label={conversations}>
      <header>
        <h1>{conversations}</h1>
        <button type="button" class="quiet icon" aria-label={findAll} title={findAll} onClick={() => (finding.value = 'all')}>
          <Icon of="search" />
        </button>
        <Menu />
      </header>
      <div class="actions">
        <button type="button" class="main" onClick={() => open('message')}>
          {newMessage}
        </button>
        <button type="button" onClick={() => open('group')}>
          {newGroup}
        </button>
        {session.value?.role !== 'member' && (
          <button type="button" onClick={() => open('invite')}>
            {invite}
          </button>
        )}
      </div>
      {listed.value.length === 0 && <p class="empty">{noConversations}</p>}
      <div class="rows">
        <Rows of={listed.value.filter((record) => !isSet('archived', record.id))} chosen={chosen} />
        <Archived chosen={chosen} />
      </div>
      <InstallSpot />
    </nav>
  );
}

function Rows({ of, chosen }: { of: ConversationRecord[]; chosen: string | undefined }) {
  return (
    <ul>
      {of.map((record) => (
        <li key={record.id}>
          <Row record={record} chosen={record.id === chosen || (record.peer !== undefined && record.peer === chosen)} />
        </li>
      ))}
    </ul>
  );
}

function Archived({ chosen }: { chosen: string | undefined }) {
  const away = listed.value.filter((record) => isSet('archived', record.id));
  if (!away.length) return null;
  return (
    <details class="archived">
      <summary>{words.value.archivedOnes(away.length)}</summary>
      <Rows of={away} chosen={chosen} />
    </details>
  );
}
