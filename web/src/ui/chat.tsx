// The chat: conversations at the side, one of them in the middle; on a phone one or the other. What must not live here: what
// a message looks like.
import { useEffect, useState } from 'preact/hooks';
import { words } from '../i18n';
import { title } from './app';
import { ConversationList } from './list';
import { NewGroup, NewMessage, InviteDialog } from './dialogs';
import { soon } from './first/soon';
import { trust } from './first/trust';
import { route } from './route';
import { conversations, directWith, users } from './state';
import { Banners } from './talk/banner';
import { NotThere } from './talk/notthere';
import { Together } from './together/frame';
import { lazy } from './together/lazy';
import './together/write.css';

/** Fetched beside the list, which is shown first. */
const Talk = lazy(() => import('./talk').then((part) => part.Talk));
const Side = lazy(() => import('./together/side/side').then((part) => part.Side));

const TrustBanner = soon(() => import('./first/banner').then((page) => page.default));

export type Dialog = 'message' | 'group' | 'invite' | undefined;

/** What a shortcut of the installed app opens (manifest.webmanifest). */
function shortcut(): Dialog {
  if (new URLSearchParams(location.search).get('new') !== 'message') return undefined;
  history.replaceState(null, '', location.pathname);
  return 'message';
}

export function Chat() {
  const [dialog, setDialog] = useState<Dialog>(shortcut);
  const at = route.value;
  const id = at.page === 'talk' ? at.id : undefined;
  const beside = at.page === 'talk' && at.side ? conversations.value.get(at.id) : undefined;
  useEffect(() => {
    document.title = title();
  }, [title()]);
  useEffect(() => void import('./talk').catch(() => {}), []);
  const close = () => setDialog(undefined);
  return (
    <main class={`chat${id ? ' open' : ''}${at.page === 'talk' && beside ? ' sided' : ''}`}>
      <Banners />
      <ConversationList chosen={id} open={setDialog} />
      <section class="talk" aria-label={words.value.messages} data-conversation={id}>
        {trust.value !== 'full' && <TrustBanner />}
        {id ? <Chosen key={id} id={id} /> : <p class="empty">{words.value.chooseConversation}</p>}
      </section>
      {at.page === 'talk' && beside && at.side && <Side record={beside} side={at.side} seq={at.seq} />}
      {/* Not in the section: on a phone that is not shown beside the list or what is at its side. */}
      <Together here={id} />
      {dialog === 'message' && <NewMessage close={close} />}
      {dialog === 'group' && <NewGroup close={close} />}
      {dialog === 'invite' && <InviteDialog close={close} />}
    </main>
  );
}

/** A person is shown by the conversation with them, once there is one. */
function Chosen({ id }: { id: string }) {
  const record = id.startsWith('u') ? directWith(id) : conversations.value.get(id);
  const known = record ?? (id.startsWith('u') ? users.value.get(id) : undefined);
  if (!known) return <NotThere />;
  return <Talk record={record} peer={id.startsWith('u') ? id : undefined} />;
}
