// The list of conversations. What must not live here: what is in them.
import { brief, words } from '../i18n';
import type { ConversationRecord } from '../engine/records';
import type { Dialog } from './chat';
import { Avatar } from './avatar';
import { LanguageButton } from './parts';
import { go } from './route';
import { plain } from './text';
import { engine, listed, me, outbox, personName, session, titleOf } from './state';

interface Props {
  chosen: string | undefined;
  open: (dialog: Dialog) => void;
}

export function ConversationList({ chosen, open }: Props) {
  const { conversations, newMessage, newGroup, invite, noConversations } = words.value;
  return (
    <nav class="list" aria-label={conversations}>
      <header>
        <h1>{conversations}</h1>
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
      <ul>
        {listed.value.map((record) => (
          <li key={record.id}>
            <Row record={record} chosen={record.id === chosen || (record.peer !== undefined && record.peer === chosen)} />
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Row({ record, chosen }: { record: ConversationRecord; chosen: boolean }) {
  const { newest, unread } = record;
  const title = titleOf(record);
  const follow = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    go(`/c/${record.id}`, chosen);
  };
  return (
    <a class={unread ? 'row unread' : 'row'} href={`/c/${record.id}`} aria-current={chosen ? 'page' : undefined} onClick={follow}>
      <Avatar name={title} seed={record.peer ?? record.id} />
      <span class="name">{title}</span>
      <span class="when">{newest ? brief(newest.ts) : ''}</span>
      <span class="line">{said(record)}</span>
      {unread > 0 && (
        <span class={record.unread_mentions ? 'count mention' : 'count'}>
          <span aria-hidden="true">{unread > 999 ? '999+' : unread}</span>
          <span class="unseen">{words.value.unread(unread)}</span>
        </span>
      )}
    </a>
  );
}

function said({ newest, kind }: ConversationRecord): string {
  if (!newest) return '';
  if (newest.erased) return words.value.erased;
  const text = plain(newest.text, (user) => (user === 'all' ? user : personName(user))) || words.value.notSupported;
  return kind !== 'direct' && newest.by !== me.value ? `${personName(newest.by)}: ${text}` : text;
}

function SheetLink() {
  const follow = (event: MouseEvent) => {
    event.preventDefault();
    go('/sheet');
  };
  return (
    <a href="/sheet" onClick={follow}>
      {words.value.emergencySheet}
    </a>
  );
}

function Menu() {
  const leave = async () => {
    const waits = outbox.value.some((row) => row.state === 'waiting');
    if (waits && !confirm(words.value.signOutAsk)) return;
    await engine().signOut();
    go('/', true);
  };
  return (
    <details class="menu">
      <summary aria-label={words.value.menu}>
        <span aria-hidden="true">⋯</span>
      </summary>
      <div>
        <p>{session.value?.display_name || session.value?.name}</p>
        <LanguageButton />
        {session.value?.role === 'owner' && <SheetLink />}
        <button type="button" class="quiet" onClick={() => void leave()}>
          {words.value.signOut}
        </button>
      </div>
    </details>
  );
}
