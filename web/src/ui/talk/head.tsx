// The head of a conversation: what it is called, who is there, and how it stands in one's list. What must not live here:
// messages.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Wish } from '../../engine/settings';
import type { ConversationRecord } from '../../engine/records';
import { brief, explained, words } from '../../i18n';
import { FilesButton } from '../files/slot';
import { go } from '../route';
import { HeadActs } from '../together/headacts';
import { engine, isQuiet, isSet, line, me, online, users } from '../state';

interface Props {
  record: ConversationRecord | undefined;
  peer: string | undefined;
  title: string;
}

export function Head({ record, peer, title }: Props) {
  const other = record?.kind === 'direct' ? record.peer : peer;
  return (
    <header class="head">
      <button type="button" class="quiet only-phone" aria-label={words.value.back} onClick={() => go('/')}>
        <span aria-hidden="true">‹</span>
      </button>
      <div class="called">
        <h1>{title}</h1>
        {other && other !== me.value ? <Being user={other} /> : <p>{record && record.kind !== 'direct' ? words.value.members(record.members) : ''}</p>}
      </div>
      {record && !record.gone && <FilesButton record={record} />}
      {record && !record.gone && <HeadActs record={record} />}
      {record && !record.gone && <Menu record={record} />}
    </header>
  );
}

/** Whether they are here; else when they were, as far as they show it. */
function Being({ user }: { user: string }) {
  const here = online.value.has(user);
  const [seen, setSeen] = useState<number>();
  const connected = line.value === 'online' || line.value === 'fallback';
  useEffect(() => {
    let stale = false;
    if (here || !connected) return;
    engine()
      .api.user(user)
      .then((profile) => !stale && setSeen(profile.last_seen ?? undefined))
      .catch(() => {});
    return () => {
      stale = true;
    };
  }, [user, here, connected]);
  const { isOnline, lastHere } = words.value;
  const status = users.value.get(user)?.status;
  const lasts = status && (!status.until || status.until > Date.now());
  const says = lasts ? [status.emoji, status.text].filter(Boolean).join(' ') : '';
  const being = here ? isOnline : seen ? lastHere(brief(seen)) : '';
  return (
    <p class={here ? 'being here' : 'being'}>
      {being}
      {being && says && ' · '}
      {says}
    </p>
  );
}

function Menu({ record }: { record: ConversationRecord }) {
  const box = useRef<HTMLDetailsElement>(null);
  const [wrong, setWrong] = useState('');
  useOutside(box);
  const { id } = record;
  const set = (wish: Wish) => {
    setWrong('');
    engine()
      .set(wish)
      .catch((error: unknown) => setWrong(explained(error)));
    if (box.current) box.current.open = false;
    box.current?.querySelector('summary')?.focus();
  };
  const flip = (key: 'pinned' | 'archived') => set({ key, conversation: id, value: !isSet(key, id) });
  const quiet = isQuiet(id);
  const mute = () => set({ key: 'notify', conversation: id, value: { level: quiet ? 'all' : 'none' } });
  const unread = () => {
    set({ key: 'unread', conversation: id, value: true });
    go('/');
  };
  const { talkMenu, pin, unpin, mute: muteIt, unmute, archive, unarchive, markUnread } = words.value;
  return (
    <details ref={box} class="menu">
      <summary aria-label={talkMenu}>
        <span aria-hidden="true">⋯</span>
      </summary>
      <div>
        <Item label={isSet('pinned', id) ? unpin : pin} act={() => flip('pinned')} />
        <Item label={quiet ? unmute : muteIt} act={mute} />
        <Item label={isSet('archived', id) ? unarchive : archive} act={() => flip('archived')} />
        <Item label={markUnread} act={unread} />
      </div>
      <p class="wrong" role="alert">{wrong}</p>
    </details>
  );
}

function Item({ label, act }: { label: string; act: () => void }) {
  return (
    <button type="button" class="quiet" onClick={act}>
      {label}
    </button>
  );
}

/** Closes by Escape and by a click elsewhere, as menus do. */
function useOutside(box: { current: HTMLDetailsElement | null }): void {
  useEffect(() => {
    const close = (event: Event) => {
      const el = box.current;
      if (!el?.open) return;
      const key = event as KeyboardEvent;
      if (event.type === 'keydown' ? key.key !== 'Escape' : el.contains(event.target as Node)) return;
      el.open = false;
      if (event.type === 'keydown') el.querySelector('summary')?.focus();
    };
    document.addEventListener('click', close);
    document.addEventListener('keydown', close);
    return () => {
      document.removeEventListener('click', close);
      document.removeEventListener('keydown', close);
    };
  }, []);
}
