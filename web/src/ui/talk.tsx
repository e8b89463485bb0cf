// One conversation: its head, its messages, and where one writes. What must not live here: what each of them looks like
// (talk/), and which messages are in the page (window.ts).
import { useEffect } from 'preact/hooks';
import { type ConversationRecord, type Entry, laneOf, laneTo, type OutboxRow } from '../engine/records';
import { words } from '../i18n';
import { Composer } from './composer';
import { go } from './route';
import { engine, isSet, outbox, personName, settings, titleOf, typing, users } from './state';
import { moveDraft } from './talk/drafts';
import { Head } from './talk/head';
import { ReadersPlace } from './talk/mark';
import { Messages } from './talk/messages';
import { OtherDraft } from './talk/ways';
import { lazy } from './together/lazy';
import { Over } from './together/over';
import { useMembers } from './together/members';
import { usePins } from './together/pins';
import { useWindow } from './window';

const Troubles = lazy(() => import('./together/troubles').then((part) => part.Troubles));

export function Talk({ record, peer }: { record: ConversationRecord | undefined; peer: string | undefined }) {
  useMembers(record);
  usePins(record);
  const title = record ? titleOf(record) : personName(peer ?? '');
  const lane = record ? laneOf(record) : laneTo(peer ?? '');
  useEffect(() => {
    if (record) engine().watch(record.id);
    // Who looks has seen it.
    if (record && isSet('unread', record.id)) void engine().set({ key: 'unread', conversation: record.id }).catch(() => {});
  }, [record?.id]);
  // The first words made a conversation of a person.
  useEffect(() => {
    if (!record || !peer) return;
    moveDraft(peer, record.id);
    go(`/c/${record.id}`, true);
  }, [record?.id, peer]);
  return (
    <>
      <Head record={record} peer={peer} title={title} />
      {record && <Over record={record} />}
      <Log record={record} lane={lane} />
      <Typing id={record?.id} />
      <OtherDraft id={record?.id ?? ''} />
      {outbox.value.some((row) => row.lane === lane && row.state === 'failed' && row.change.type !== 'send') && <Troubles lane={lane} />}
      <Foot record={record} peer={peer} title={title} />
      <ReadersPlace />
    </>
  );
}

/** By itself, so that nothing else is drawn anew while one scrolls. */
function Log({ record, lane }: { record: ConversationRecord | undefined; lane: string }) {
  const view = useWindow(record);
  return <Messages record={record} view={view} rows={unsent(outbox.value, lane, view.entries)} />;
}

/** What one wrote and that is not among the messages yet. */
function unsent(rows: readonly OutboxRow[], lane: string, entries: readonly Entry[]): OutboxRow[] {
  const mine = rows.filter((row) => row.lane === lane && row.change.type === 'send' && (!row.change.thread || row.change.also_send));
  if (!mine.length) return mine;
  const there = new Set(entries.map((entry) => entry.event.client_id));
  return mine.filter((row) => !there.has(row.client_id));
}

function Foot({ record, peer, title }: { record: ConversationRecord | undefined; peer: string | undefined; title: string }) {
  const { gone, mayNotPost, nobodyHere } = words.value;
  const may = !record || record.role !== 'member' || (record.kind !== 'channel' && !record.mute_all);
  const other = users.value.get((record?.kind === 'direct' ? record.peer : peer) ?? '');
  if (record?.gone) return <p class="closed">{gone}</p>;
  if (other && settings.value.has(`blocked:${other.user}`)) return <p class="closed">{words.value.blockedHere}</p>;
  if (other?.disabled) return <p class="closed">{nobodyHere}</p>;
  if (!may) return <p class="closed">{mayNotPost}</p>;
  return <Composer to={record ?? { user: peer ?? '' }} title={title} />;
}

function Typing({ id }: { id: string | undefined }) {
  const who = id ? typing.value.get(id) : undefined;
  return (
    <p class="typing" aria-live="off">
      {who ? words.value.typing(personName(who.user)) : ''}
    </p>
  );
}
