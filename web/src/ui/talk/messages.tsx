// The messages of a conversation, as one scrolls through them: days, the line where what is new begins, the ways to both ends.
// What must not live here: what a message looks like, and which of them are in the page (window.ts).
import { Component } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ConversationRecord, Entry, OutboxRow } from '../../engine/records';
import { dayName, words } from '../../i18n';
import { sameDay } from '../../i18n/days';
import { albums } from '../files/slot';
import { happened, Message, Unsent } from '../message';
import { engine, hidesReads, line, me } from '../state';
import { useJump } from '../together/jump';
import { MOST, type View } from '../window';
import { type Anchor, lastInSight, useAnchor } from './anchor';
import { today } from './today';
import { useMark } from './unread';

/** A message so long after the one before stands by itself. */
const APART_MS = 300_000;
const NEAR = 900;
/** Of what waits, more are only counted. */
const MOST_UNSENT = 50;
const MARK = '[data-mark]';

type RowProps = Parameters<typeof Message>[0];

interface Props {
  record: ConversationRecord | undefined;
  view: View;
  rows: OutboxRow[];
}

export function Messages({ record, view, rows }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [away, setAway] = useState(false);
  const looking = () => anchor.stick() && view.atEnd && !document.hidden;
  const [mark, unmark] = useMark(record, looking);
  const anchor = useAnchor(box, view.atEnd, [view.entries, rows.length, mark]);
  useJump(box, record?.id, view, anchor.lead);
  const [above, setAbove] = useState(false);
  /** The mark that was in sight once: nobody has to be led there any more. */
  const found = useRef<number | undefined>(undefined);
  useState(() => {
    if (mark !== undefined) anchor.lead(MARK);
  });
  const scrolled = () => {
    const el = box.current;
    if (!el) return;
    anchor.look();
    setAway(!anchor.stick() || !view.atEnd);
    if (markInSight(el)) found.current = mark;
    setAbove(mark !== found.current && isAbove(el, mark, view));
    if (el.scrollTop < NEAR && !view.atBeginning) void view.back();
    if (el.scrollHeight - el.scrollTop - el.clientHeight < NEAR) void view.on();
    read(el, record, view);
  };
  useEffect(() => {
    scrolled();
    const seen = () => {
      if (document.hidden) return;
      if (anchor.stick()) anchor.toBottom();
      scrolled();
    };
    document.addEventListener('visibilitychange', seen);
    return () => document.removeEventListener('visibilitychange', seen);
  }, [view.entries, record?.unread, mark]);
  useLine(box, view);
  useSize(box, anchor);
  useReaders(record, view.entries);
  const down = async () => {
    if (!view.atEnd) {
      await view.toEnd();
      await drawn();
    }
    anchor.toBottom();
    scrolled();
  };
  useOwn(rows, () => {
    unmark();
    void down();
  });
  const up = async () => {
    if (mark === undefined) return;
    if (!box.current?.querySelector(MARK)) {
      await view.to(mark + 1);
      await drawn();
    }
    anchor.lead(MARK);
  };
  const last = view.entries.at(-1)?.event;
  const mineIsLast = last?.kind === 'message' && last.by === me.value && Date.now() - last.ts < APART_MS;
  const unsent = view.atEnd ? rows.slice(0, MOST_UNSENT) : [];
  const { messages, beginning, older, firstUnread, moreWaiting } = words.value;
  return (
    <div class="messages">
      <div ref={box} class="scroll" tabIndex={0} role="log" aria-label={messages} aria-busy={view.loading} onScroll={scrolled}>
        <div>
          <p class="faint edge">{view.atBeginning ? beginning : view.loading ? older : ''}</p>
          {albums(rendered(view, record, mark, MOST - unsent.length))}
          {unsent.map((row, at) => <Unsent key={row.client_id} row={row} follows={at > 0 || mineIsLast} />)}
          {view.atEnd && rows.length > unsent.length && <p class="faint edge">{moreWaiting(rows.length - unsent.length)}</p>}
        </div>
      </div>
      {above && (
        <button type="button" class="up" onClick={() => void up()}>
          <span aria-hidden="true">↑ </span>
          {firstUnread}
        </button>
      )}
      {away && <Down unread={record?.unread ?? 0} go={() => void down()} />}
    </div>
  );
}

function Down({ unread, go }: { unread: number; go: () => void }) {
  const { toNewest, newBelow } = words.value;
  return (
    <button type="button" class={unread ? 'down main' : 'down'} onClick={go}>
      <span aria-hidden="true">↓ </span>
      {unread ? newBelow(unread) : toNewest}
    </button>
  );
}

/** What was set is in the page after this. */
const drawn = () => new Promise((resolve) => setTimeout(resolve));

function markInSight(el: HTMLElement): boolean {
  const there = el.querySelector<HTMLElement>(MARK);
  return there !== null && there.offsetTop >= el.scrollTop && there.offsetTop < el.scrollTop + el.clientHeight;
}

/** What begins the unread lies before what one sees. */
function isAbove(el: HTMLElement, mark: number | undefined, view: View): boolean {
  if (mark === undefined) return false;
  const there = el.querySelector<HTMLElement>(MARK);
  if (there) return there.offsetTop + there.offsetHeight < el.scrollTop;
  return (view.entries[0]?.seq ?? 0) > mark + 1;
}

/** What was in sight has been read. */
function read(el: HTMLElement, record: ConversationRecord | undefined, view: View): void {
  if (!record || record.unread === 0 || document.hidden || !view.entries.length) return;
  const newest = view.entries.at(-1)?.seq ?? 0;
  const bottom = view.atEnd && el.scrollHeight - el.scrollTop - el.clientHeight < 2;
  const seen = bottom ? newest : lastInSight(el);
  const count = view.entries.find((entry) => entry.seq === seen)?.event.count;
  if (seen > record.read_seq) later({ id: record.id, seq: seen, count });
}

/** While one scrolls, told a few times a second. */
const READ_MS = 250;
let telling: Seen | undefined;
interface Seen {
  id: string;
  seq: number;
  count: number | undefined;
}
function later(seen: Seen): void {
  const tell = () => {
    if (telling) engine().markRead(telling.id, telling.seq, telling.count);
    telling = undefined;
  };
  if (telling && telling.id !== seen.id) tell();
  if (!telling) setTimeout(tell, READ_MS);
  if (!telling || seen.seq > telling.seq) telling = seen;
}

/** Who had scrolled up before the line was there got nothing: asked again, once it is. */
function useLine(box: { current: HTMLDivElement | null }, view: View): void {
  const isThere = line.value === 'online' || line.value === 'fallback';
  useEffect(() => {
    const el = box.current;
    if (isThere && el && el.scrollTop < NEAR && view.entries.length && !view.atBeginning) void view.back();
  }, [isThere]);
}

function useSize(box: { current: HTMLDivElement | null }, anchor: Anchor): void {
  useEffect(() => {
    const el = box.current;
    if (!el?.firstElementChild || typeof ResizeObserver === 'undefined') return;
    const seen = new ResizeObserver(() => {
      anchor.settle();
      anchor.look();
    });
    seen.observe(el);
    seen.observe(el.firstElementChild);
    return () => seen.disconnect();
  }, []);
}

/** Who says something wants to see it. */
function useOwn(rows: OutboxRow[], said: () => void): void {
  const newest = rows.at(-1);
  const known = useRef(newest?.n ?? 0);
  useEffect(() => {
    const fresh = newest !== undefined && newest.n > known.current && newest.state === 'waiting' && !document.hidden;
    known.current = Math.max(known.current, newest?.n ?? 0);
    if (fresh) said();
  }, [newest?.n]);
}

/** Whether others have read one's own newest message may have been told while this device was away. */
function useReaders(record: ConversationRecord | undefined, entries: Entry[]): void {
  const mine = entries.findLast((entry) => entry.event.kind === 'message' && entry.event.by === me.value)?.seq;
  const online = line.value === 'online' || line.value === 'fallback';
  useEffect(() => {
    if (record && mine && online && record.others_read < mine && record.read_lists !== false && !hidesReads.value)
      void engine()
        .askReaders(record.id, mine)
        .catch(() => {});
  }, [record?.id, mine, online, hidesReads.value]);
}

/** Drawn again only when something about it changed: a page of 400 would take too long. */
class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    const { entry, follows, read } = this.props;
    return next.entry !== entry || next.follows !== follows || next.read !== read;
  }
  override render(props: RowProps) {
    return <Message {...props} />;
  }
}

/** Day by day, with one line where what was not read begins. */
function rendered(view: View, record: ConversationRecord | undefined, mark: number | undefined, most: number) {
  const entries = view.entries.slice(view.atEnd ? -most : 0);
  let before: Entry | undefined;
  let day: number | undefined;
  let marked = mark === undefined || ((entries[0]?.seq ?? 0) > mark + 1 && !view.atBeginning);
  return entries.flatMap((entry) => {
    const { event } = entry;
    const thread = event.kind === 'message' && event.thread && !event.also_send;
    const text = event.kind === 'message' ? undefined : happened(entry);
    if (thread || (event.kind !== 'message' && text === undefined)) return [];
    const parts = [];
    if (day === undefined || !sameDay(day, event.ts)) {
      parts.push(<Divider key={`day${entry.seq}`} text={dayName(event.ts, today.value)} />);
      before = undefined;
      day = event.ts;
    }
    if (!marked && entry.seq > mark! && event.by !== me.value) {
      marked = true;
      parts.push(<Divider key="unread" text={words.value.newLine} accent />);
      before = undefined;
    }
    if (text !== undefined) {
      parts.push(<p key={entry.seq} class="happened" data-seq={entry.seq}>{text}</p>);
      before = undefined;
    } else {
      const follows = before?.event.by === event.by && event.ts - before.event.ts < APART_MS;
      parts.push(<Row key={entry.seq} entry={entry} follows={follows} read={(record?.others_read ?? 0) >= entry.seq} />);
      before = entry;
    }
    return parts;
  });
}

function Divider({ text, accent }: { text: string; accent?: boolean }) {
  return (
    <p class={accent ? 'divider accent' : 'divider'} data-mark={accent}>
      <span>{text}</span>
    </p>
  );
}
