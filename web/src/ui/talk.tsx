// One conversation: its head, its messages, and where one writes. What must not live here: what a message looks like, and
// which of them are in the page (window.ts).
import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type ConversationRecord, type Entry, laneOf, laneTo, type OutboxRow } from '../engine/records';
import { dayName, sameDay, words } from '../i18n';
import { Composer } from './composer';
import { albums, FilesButton } from './files/slot';
import { happened, Message, Unsent } from './message';
import { go } from './route';
import { engine, line, me, outbox, personName, titleOf, typing } from './state';
import { useWindow, type View } from './window';

/** A message so long after the one before stands by itself. */
const APART_MS = 300_000;
const NEAR = 600;
const AT_BOTTOM = 48;

export function Talk({ record, peer }: { record: ConversationRecord | undefined; peer: string | undefined }) {
  const view = useWindow(record);
  const title = record ? titleOf(record) : personName(peer ?? '');
  const lane = record ? laneOf(record) : laneTo(peer ?? '');
  const there = new Set(view.entries.map((entry) => entry.event.client_id));
  const rows = outbox.value.filter((row) => row.lane === lane && row.change.type === 'send' && !there.has(row.client_id));
  useEffect(() => {
    if (record) engine().watch(record.id);
  }, [record?.id]);
  // The first words made a conversation of a person.
  useEffect(() => {
    if (record && peer) go(`/c/${record.id}`, true);
  }, [record?.id, peer]);
  return (
    <>
      <header class="head">
        <button type="button" class="quiet only-phone" aria-label={words.value.back} onClick={() => go('/')}>
          <span aria-hidden="true">‹</span>
        </button>
        <h1>{title}</h1>
        <p>{record && record.kind !== 'direct' ? words.value.members(record.members) : ''}</p>
        {record && <FilesButton record={record} />}
      </header>
      <Messages record={record} view={view} rows={rows} />
      <Typing id={record?.id} />
      <Foot record={record} peer={peer} title={title} />
    </>
  );
}

function Foot({ record, peer, title }: { record: ConversationRecord | undefined; peer: string | undefined; title: string }) {
  const { gone, mayNotPost } = words.value;
  const may = !record || record.role !== 'member' || (record.kind !== 'channel' && !record.mute_all);
  if (record?.gone) return <p class="closed">{gone}</p>;
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

/** Keeps what one looks at where it is, or the newest in sight, whatever comes before or after. */
function useAnchor(box: RefObject<HTMLDivElement | null>, marks: unknown[]) {
  const state = useRef({ stick: true, seq: 0, top: 0 });
  const look = () => {
    const el = box.current;
    if (!el) return;
    const stick = el.scrollHeight - el.scrollTop - el.clientHeight < AT_BOTTOM;
    const rows = el.querySelectorAll<HTMLElement>('[data-seq]');
    let low = 0;
    let high = rows.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle]!.offsetTop + rows[middle]!.offsetHeight > el.scrollTop) high = middle;
      else low = middle + 1;
    }
    const first = rows[low];
    state.current = { stick, seq: Number(first?.dataset.seq ?? 0), top: first ? first.offsetTop - el.scrollTop : 0 };
  };
  useLayoutEffect(() => {
    const el = box.current;
    if (!el) return;
    const { stick, seq, top } = state.current;
    if (stick) el.scrollTop = el.scrollHeight;
    else {
      const same = el.querySelector<HTMLElement>(`[data-seq="${seq}"]`);
      if (same) el.scrollTop = same.offsetTop - top;
    }
  }, marks);
  return { look, state };
}

function Messages({ record, view, rows }: { record: ConversationRecord | undefined; view: View; rows: OutboxRow[] }) {
  const box = useRef<HTMLDivElement>(null);
  const newest = view.entries.at(-1)?.seq ?? 0;
  const { look, state } = useAnchor(box, [view.entries, rows.length]);
  const [firstUnread] = useState(record && record.unread > 0 ? record.read_seq : undefined);
  const [away, setAway] = useState(false);
  const scrolled = () => {
    const el = box.current;
    if (!el) return;
    look();
    setAway(!state.current.stick || !view.atEnd);
    if (el.scrollTop < NEAR && !view.atBeginning) void view.back();
    if (el.scrollHeight - el.scrollTop - el.clientHeight < NEAR) void view.on();
    read();
  };
  const read = () => {
    if (!record || !view.atEnd || !state.current.stick || document.visibilityState !== 'visible') return;
    if (newest > record.read_seq && record.unread > 0) engine().markRead(record.id, newest);
  };
  useEffect(() => {
    const el = box.current;
    read();
    // A page that does not fill the screen cannot be scrolled.
    if (el && el.scrollHeight <= el.clientHeight && view.entries.length && !view.atBeginning) void view.back();
    document.addEventListener('visibilitychange', read);
    return () => document.removeEventListener('visibilitychange', read);
  }, [newest, record?.unread, view.entries.length]);
  const isThere = line.value === 'online' || line.value === 'fallback';
  useEffect(() => {
    const el = box.current;
    // Who had scrolled up before the line was there got nothing: asked again, once it is.
    if (isThere && el && el.scrollTop < NEAR && view.entries.length && !view.atBeginning) void view.back();
  }, [isThere]);
  useEffect(() => {
    const el = box.current;
    if (!el || typeof ResizeObserver === 'undefined') return;
    const seen = new ResizeObserver(() => {
      if (state.current.stick) el.scrollTop = el.scrollHeight;
    });
    seen.observe(el);
    return () => seen.disconnect();
  }, []);
  useReaders(record, view.entries);
  const last = view.entries.at(-1)?.event;
  const mineIsLast = last?.kind === 'message' && last.by === me.value && Date.now() - last.ts < APART_MS;
  const down = async () => {
    state.current.stick = true;
    await view.toEnd();
    setAway(false);
  };
  return (
    <div class="messages">
      <div ref={box} class="scroll" tabIndex={0} role="log" aria-label={words.value.messages} aria-busy={view.loading} onScroll={scrolled}>
        <p class="faint edge">{view.atBeginning ? words.value.beginning : view.loading ? words.value.older : ''}</p>
        {albums(rendered(view.entries, record, firstUnread))}
        {view.atEnd && rows.map((row, at) => <Unsent key={row.client_id} row={row} follows={at > 0 || mineIsLast} />)}
      </div>
      {away && (
        <button type="button" class="down" onClick={() => void down()}>
          {words.value.toNewest}
        </button>
      )}
    </div>
  );
}

/** Whether others have read one's own newest message may have been told while this device was away. */
function useReaders(record: ConversationRecord | undefined, entries: Entry[]) {
  const mine = entries.findLast((entry) => entry.event.kind === 'message' && entry.event.by === me.value)?.seq;
  const online = line.value === 'online' || line.value === 'fallback';
  useEffect(() => {
    if (record && mine && online && record.others_read < mine && record.read_lists !== false)
      void engine()
        .askReaders(record.id, mine)
        .catch(() => {});
  }, [record?.id, mine, online]);
}

/** Day by day, with one line where what was not read begins. */
function rendered(entries: Entry[], record: ConversationRecord | undefined, firstUnread: number | undefined) {
  let before: Entry | undefined;
  let day: number | undefined;
  let marked = firstUnread === undefined;
  return entries.flatMap((entry) => {
    const { event } = entry;
    const thread = event.kind === 'message' && event.thread && !event.also_send;
    const text = event.kind === 'message' ? undefined : happened(entry);
    if (thread || (event.kind !== 'message' && text === undefined)) return [];
    const parts = [];
    if (day === undefined || !sameDay(day, event.ts)) {
      parts.push(<Divider key={`day${entry.seq}`} text={dayName(event.ts)} />);
      before = undefined;
      day = event.ts;
    }
    if (!marked && entry.seq > firstUnread! && event.by !== me.value) {
      marked = true;
      parts.push(<Divider key="unread" text={words.value.newLine} accent />);
      before = undefined;
    }
    if (text !== undefined) {
      parts.push(<p key={entry.seq} class="happened" data-seq={entry.seq}>{text}</p>);
      before = undefined;
    } else {
      const follows = before?.event.by === event.by && event.ts - before.event.ts < APART_MS;
      parts.push(<Message key={entry.seq} entry={entry} follows={follows} read={(record?.others_read ?? 0) >= entry.seq} />);
      before = entry;
    }
    return parts;
  });
}

function Divider({ text, accent }: { text: string; accent?: boolean }) {
  return (
    <p class={accent ? 'divider accent' : 'divider'}>
      <span>{text}</span>
    </p>
  );
}
