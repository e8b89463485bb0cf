// One conversation in the list: who, what was said last and of what kind, what is new, what waits. What must not live here: the
// order of the list (state.ts).
import type { ConversationRecord } from '../../engine/records';
import { laneOf } from '../../engine/records';
import { brief, words } from '../../i18n';
import { Avatar } from '../avatar';
import { go } from '../route';
import { isQuiet, isSet, me, online, outbox, personName, titleOf } from '../state';
import { plain } from '../text';
import { draftOf } from './drafts';
import { today } from './today';

export function Row({ record, chosen }: { record: ConversationRecord; chosen: boolean }) {
  const { newest, unread, id } = record;
  const title = titleOf(record);
  const follow = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    go(`/c/${id}`, chosen);
  };
  const quiet = isQuiet(id);
  const marked = unread > 0 || isSet('unread', id);
  const { isOnline } = words.value;
  const here = record.peer !== undefined && record.peer !== me.value && online.value.has(record.peer ?? '');
  void today.value;
  return (
    <a class={`row${marked ? ' unread' : ''}${quiet ? ' muted' : ''}`} href={`/c/${id}`} aria-current={chosen ? 'page' : undefined} onClick={follow}>
      <span class="face">
        <Avatar name={title} seed={record.peer ?? id} />
        {here && <span class="dot" aria-hidden="true" />}
      </span>
      <span class="name">
        {title}
        {here && <span class="unseen">{isOnline}</span>}
      </span>
      <span class="when">{newest ? brief(newest.ts) : ''}</span>
      <Line record={record} chosen={chosen} />
      <Marks record={record} quiet={quiet} />
    </a>
  );
}

/** What one has begun to write goes before what was said. */
function Line({ record, chosen }: { record: ConversationRecord; chosen: boolean }) {
  const draft = chosen ? '' : draftOf(record.id).text.trim();
  if (!draft) return <span class="line">{said(record)}</span>;
  return (
    <span class="line">
      <span class="draft">{words.value.draftIs}: </span>
      {draft}
    </span>
  );
}

function said({ newest, kind }: ConversationRecord): string {
  if (!newest) return '';
  if (newest.erased) return words.value.erased;
  const { kinds, notSupported } = words.value;
  const words_ = plain(newest.text, (user) => (user === 'all' ? user : personName(user)));
  const what = kinds[newest.kind];
  const text = what ? [what, words_ || (newest.kind === 'file' ? newest.name : '')].filter(Boolean).join(': ') : words_ || notSupported;
  return kind !== 'direct' && newest.by !== me.value ? `${personName(newest.by)}: ${text}` : text;
}

function Marks({ record, quiet }: { record: ConversationRecord; quiet: boolean }) {
  const { id, unread, unread_mentions } = record;
  const { isPinned, isMuted, markedUnread, waitsHere, failedHere } = words.value;
  const lane = laneOf(record);
  const mine = outbox.value.filter((row) => row.lane === lane);
  const failed = mine.some((row) => row.state === 'failed');
  const waits = mine.some((row) => row.state === 'waiting');
  return (
    <span class="marks">
      {isSet('pinned', id) && <Sign is="pin" text={isPinned} />}
      {quiet && <Sign is="mute" text={isMuted} />}
      {failed ? <Sign is="fail" text={failedHere} /> : waits && <Sign is="wait" text={waitsHere} />}
      {unread > 0 && <Count unread={unread} mentions={unread_mentions ?? 0} />}
      {unread === 0 && isSet('unread', id) && (
        <span class="count only">
          <span class="unseen">{markedUnread}</span>
        </span>
      )}
    </span>
  );
}

function Count({ unread, mentions }: { unread: number; mentions: number }) {
  return (
    <>
      {mentions > 0 && (
        <span class="count at">
          <span aria-hidden="true">@</span>
          <span class="unseen">{words.value.mentioned(mentions)}</span>
        </span>
      )}
      <span class="count">
        <span aria-hidden="true">{unread > 999 ? '999+' : unread}</span>
        <span class="unseen">{words.value.unread(unread)}</span>
      </span>
    </>
  );
}

const PATHS = {
  pin: 'M9.5 1.5l5 5-1.2 1.2-.9-.2-2.6 2.6.1 2.4-1.3 1.3-3-3-3.6 3.7-1-.9 3.7-3.7-3-3 1.3-1.3 2.4.1 2.6-2.6-.2-.9z',
  mute: 'M8 1.5a4 4 0 0 0-4 4V9l-1.5 2v1h11v-1L12 9V5.500a4 4 0 0 0-4-4zM6.500 13a1.500 1.500 0 0 0 3 0zM2.200 1.200l12.600 12.600-1 1L1.200 2.200z',
  wait: 'M8 1.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zm0 1.400a5.100 5.100 0 1 1 0 10.200A5.100 5.100 0 0 1 8 2.900zM7.300 4.500v4l3 1.800.7-1.200-2.300-1.400V4.500z',
  fail: 'M8 1.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM7.200 4.500h1.600v4.500H7.200zm0 5.700h1.600v1.600H7.200z',
};

function Sign({ is, text }: { is: keyof typeof PATHS; text: string }) {
  return (
    <span class={`sign ${is}`} title={text}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <path d={PATHS[is]} />
      </svg>
      <span class="unseen">{text}</span>
    </span>
  );
}
