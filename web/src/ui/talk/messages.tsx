// The messages of a conversation, as one scrolls through them: days, the line where what is new begins, the ways to both ends.
// What must not live here: what a message looks like, and which of them are in the page (window.ts).
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ConversationRecord, OutboxRow } from '../../engine/records';
import { words } from '../../i18n';
import { Unsent } from '../message';
import { engine, hidesReads, line, me } from '../state';
import { useJump } from '../together/jump';
import { MOST, type View } from '../window';
import { type Anchor, lastInSight, topIn, useAnchor } from './anchor';
import { APART_MS, Blocks, items } from './blocks';
import { cameFrom, keepPlace, type Place, placeIn } from './places';
import { useMark } from './unread';

const NEAR = 900;
/** Of what waits, more are only counted. */
const MOST_UNSENT = 50;
const MARK = '[data-mark]';

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
  useJump(box, record?.id, view, anchor);
  const [above, setAbove] = useState(false);
  /** The mark that was in sight once: nobody has to be led there any more. */
  const found = useRef<number | undefined>(undefined);
  useState(() => {
    if (mark !== undefined) return anchor.lead(MARK);
    const place = record && placeIn(record.id);
    if (place) anchor.lead(`[data-seq="${place.seq}"]`, place.top);
  });
  const scrolled = () => {
    const el = box.current;
    if (!el) return;
    anchor.look();
    setAway(!anchor.stick() || !view.atEnd);
    if (anchor.stick() && view.atEnd) cameFrom.value = undefined;
    if (record && view.entries.length) keepPlace(record.id, anchor.place());
    if (mark !== undefined && markInSight(el)) found.current = mark;
    setAbove(mark !== undefined && mark !== found.current && isAbove(el, mark, view));
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
  useEffect(
    () => () => {
      cameFrom.value = undefined;
    },
    [record?.id],
  );
  useLine(box, view);
  useSize(box, anchor);
  useReaders(record, view);
  const down = async () => {
    if (!view.atEnd) {
      await view.toEnd();
      await drawn();
    }
    anchor.toBottom();
    scrolled();
  };
  const origin = cameFrom.value?.conversation === record?.id ? cameFrom.value?.place : undefined;
  const back = async ({ seq, top }: Place) => {
    await view.to(seq);
    await drawn();
    anchor.lead(`[data-seq="${seq}"]`, top);
    cameFrom.value = undefined;
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
          <Blocks of={items(view, record, mark, MOST - unsent.length)} />
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
      {away && <Down unread={record?.unread ?? 0} back={origin !== undefined} go={() => void (origin ? back(origin) : down())} />}
    </div>
  );
}

/** Who followed a quote comes back first, and to the newest then. */
function Down({ unread, back, go }: { unread: number; back: boolean; go: () => void }) {
  const { toNewest, newBelow, backThere } = words.value;
  return (
    <button type="button" class={unread ? 'down main' : 'down'} onClick={go}>
      <span aria-hidden="true">↓ </span>
      {back ? backThere : unread ? newBelow(unread) : toNewest}
    </button>
  );
}

/** What was set is in the page after this. */
const drawn = () => new Promise((resolve) => setTimeout(resolve));

function markInSight(el: HTMLElement): boolean {
  const there = el.querySelector<HTMLElement>(MARK);
  if (!there) return false;
  const top = topIn(el, there);
  return top >= 0 && top < el.clientHeight;
}

/** What begins the unread lies before what one sees. */
function isAbove(el: HTMLElement, mark: number, view: View): boolean {
  const there = el.querySelector<HTMLElement>(MARK);
  if (there) return topIn(el, there) + there.offsetHeight < 0;
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
  const known = useRef(new Set(rows.map((row) => row.client_id)));
  const newest = rows.at(-1);
  useEffect(() => {
    const fresh = rows.filter((row) => row.state === 'waiting' && !known.current.has(row.client_id));
    for (const row of fresh) known.current.add(row.client_id);
    if (fresh.length && !document.hidden) said();
  }, [newest?.client_id]);
}

/**
 * Whether others have read what one said may have been told while this device was away, and of who says something themselves it is
 * not told at all. Of one person it is asked from the first message on of which it is not known: the answer says how far they are.
 * Of a group whether anybody has read the newest.
 */
function useReaders(record: ConversationRecord | undefined, { entries, atEnd }: View): void {
  const said = entries.filter(({ event }) => event.kind === 'message');
  const own = said.filter(({ event }) => event.by === me.value).map(({ seq }) => seq);
  const newest = atEnd ? own.at(-1) : undefined;
  // Once for each of them: who does not show what they have read is not asked for at their every word.
  const answered = newest === undefined ? 0 : new Set(said.filter(({ seq }) => seq > newest).map(({ event }) => event.by)).size;
  const online = line.value === 'online' || line.value === 'fallback';
  useEffect(() => {
    if (!record || !newest || !online || record.others_read >= newest || record.read_lists === false || hidesReads.value) return;
    const about = record.kind === 'direct' ? own.find((seq) => seq > record.others_read) : newest;
    void engine()
      .askReaders(record.id, about ?? newest)
      .catch(() => {});
  }, [record?.id, newest, answered, online, hidesReads.value]);
}
