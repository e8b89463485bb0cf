// The chat: conversations at the side, one of them in the middle; on a phone one or the other. What must not live here: what
// a message looks like.
import { useEffect, useState } from 'preact/hooks';
import { words } from '../i18n';
import { title } from './app';
import { ConversationList } from './list';
import { NewGroup, NewMessage, InviteDialog } from './dialogs';
import { Talk } from './talk';
import { later } from './first/later';
import { trust } from './first/trust';
import { route } from './route';
import { conversations, directWith, line } from './state';

const TrustBanner = later(() => import('./first/banner').then((page) => page.default));

export type Dialog = 'message' | 'group' | 'invite' | undefined;

export function Chat() {
  const [dialog, setDialog] = useState<Dialog>();
  const at = route.value;
  const id = at.page === 'talk' ? at.id : undefined;
  useEffect(() => {
    document.title = title();
  }, [title()]);
  const close = () => setDialog(undefined);
  return (
    <div class={id ? 'chat open' : 'chat'}>
      <ConversationList chosen={id} open={setDialog} />
      <main class="talk" aria-label={words.value.messages}>
        {trust.value !== 'full' && <TrustBanner />}
        <LineBanner />
        {id ? <Chosen key={id} id={id} /> : <p class="empty">{words.value.chooseConversation}</p>}
      </main>
      {dialog === 'message' && <NewMessage close={close} />}
      {dialog === 'group' && <NewGroup close={close} />}
      {dialog === 'invite' && <InviteDialog close={close} />}
    </div>
  );
}

/** A person is shown by the conversation with them, once there is one. */
function Chosen({ id }: { id: string }) {
  const record = id.startsWith('u') ? directWith(id) : conversations.value.get(id);
  if (!record && !id.startsWith('u')) return <p class="empty">{words.value.working}</p>;
  return <Talk record={record} peer={id.startsWith('u') ? id : undefined} />;
}

const PATIENCE_MS = 2_500;

/** A short break is nothing to speak of. */
function LineBanner() {
  const [late, setLate] = useState(false);
  const broken = line.value === 'connecting' || line.value === 'offline';
  useEffect(() => {
    setLate(false);
    if (!broken) return;
    const timer = setTimeout(() => setLate(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [broken]);
  const { offline, fallback } = words.value;
  const text = broken && late ? offline : line.value === 'fallback' && trust.value === 'full' ? fallback : '';
  return (
    <p class={text ? 'banner' : 'banner none'} role="status">
      {text}
    </p>
  );
}
