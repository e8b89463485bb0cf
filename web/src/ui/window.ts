// Which stretch of a long conversation is in the page: at most so many messages, whatever one scrolls through and wherever one
// jumps to. What must not live here: what they look like, and the network.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { afar } from '../engine/afar';
import type { ConversationRecord, Entry } from '../engine/records';
import { conversations, engine, touched } from './state';
import { kept } from './talk/kept';
import { pace, stepNow } from './talk/pace';
import { placeIn } from './talk/places';

/** Enough for the tallest screen; each of them costs a slow phone something whenever the page is drawn: with half as many again, a
    task in some hundred is longer than 50 ms on a processor slowed four times. */
export const MOST = 112;
/** So many are read at a time. */
const PAGE = 32;
/** So many stand there at first, and before what one is led to; the others come around them, step by step. */
const FIRST = 24;
const BEFORE = 12;
/** So many may have come at once since the page was read (FAR_BEHIND of the copy). */
const MOST_NEW = 400;
/** Where no frame comes, since nobody looks. */
const FRAME_MS = 100;
/** Nobody looks at an empty page for longer, when there is something to show. */
const SOON_MS = 1_500;

export interface View {
  entries: Entry[];
  /** The newest is in it. */
  atEnd: boolean;
  /** Nothing lies before. */
  atBeginning: boolean;
  loading: boolean;
  back: () => Promise<void>;
  on: () => Promise<void>;
  toEnd: () => Promise<void>;
  /** What lies around a message, held or not. False if there is nothing to be had. */
  to: (seq: number) => Promise<boolean>;
}

interface Shown {
  entries: Entry[];
  atEnd: boolean;
  /** Of a stretch that is not held: nothing lies before it. */
  first: boolean;
}

/** Until what was shown last is drawn. */
const frame = () =>
  new Promise<void>((resolve) => {
    requestAnimationFrame(() => setTimeout(resolve));
    setTimeout(resolve, FRAME_MS);
  });

export function useWindow(record: ConversationRecord | undefined): View {
  const begun = performance.now();
  const id = record?.id;
  const [shown, setShown] = useState<Shown>({ entries: [], atEnd: true, first: false });
  const [loading, setLoading] = useState(false);
  const busy = useRef(false);
  const rungAgain = useRef(false);
  const now = useRef(shown);
  const show = (entries: Entry[], atEnd: boolean, first = false) => {
    now.current = { entries: kept(now.current.entries, entries), atEnd, first };
    setShown(now.current);
  };
  /** Where what is held begins. */
  const from = () => (id ? conversations.value.get(id)?.from : undefined) ?? record?.from ?? 0;
  const far = (where: { before: number } | { after: number }, limit: number) => afar((ask) => engine().ask(ask), id!, where, limit);

  const newest = async () => {
    if (id) show(await engine().entries(id, Number.MAX_SAFE_INTEGER, FIRST), true);
  };
  /** One at a time: two that read and then show would take from each other what they found. */
  const alone = async (work: () => Promise<void>): Promise<boolean> => {
    if (busy.current) return false;
    busy.current = true;
    try {
      await work();
      return true;
    } catch {
      // Without a line there is nothing to be had that is not held; what is held stays.
      return false;
    } finally {
      busy.current = false;
      if (rungAgain.current) void again();
    }
  };
  const one = async (work: () => Promise<void>): Promise<boolean> => {
    if (busy.current) return false;
    setLoading(true);
    const done = await alone(work);
    setLoading(false);
    return done;
  };
  const around = async (talk: string, seq: number): Promise<Shown> => {
    // What the page knows of the copy may be older than the copy.
    const held = await engine().conversation(talk);
    if (seq >= (held?.from ?? 0)) {
      const [before, after] = await Promise.all([engine().entries(talk, seq, BEFORE), engine().later(talk, seq - 1, FIRST)]);
      return { entries: [...before, ...after], atEnd: after.length < FIRST, first: false };
    }
    const [before, after] = await Promise.all([far({ before: seq }, BEFORE), far({ after: seq - 1 }, FIRST)]);
    return { entries: [...before.entries, ...after.entries], atEnd: !after.more, first: !before.more };
  };
  /** Who jumps waits for what is under way, and is not passed over. */
  const patiently = async (work: () => Promise<void>): Promise<boolean> => {
    while (busy.current) await new Promise((resolve) => setTimeout(resolve, 20));
    return one(work);
  };
  const to = (seq: number) =>
    patiently(async () => {
      if (!id) return;
      const { entries, atEnd, first } = await around(id, seq);
      show(entries, atEnd, first);
    });
  const toEnd = async () => {
    await patiently(newest);
  };
  /** The same stretch, as it is now; at the end what is new as well. What is not held stays as it was looked at. */
  const again = async () => {
    rungAgain.current = busy.current;
    await alone(async () => {
      const { entries, atEnd, first } = now.current;
      const [oldest] = entries;
      if (!id) return;
      if (!oldest) return begin();
      const looked = entries.filter((entry) => entry.seq < from());
      const found = await engine().later(id, Math.max(oldest.seq, from()) - 1, atEnd ? MOST + MOST_NEW : entries.length - looked.length);
      const last = entries.at(-1)?.seq ?? 0;
      const next = [...looked, ...found];
      const same = atEnd ? next.slice(-MOST) : next.filter((entry) => entry.seq <= last);
      // The copy was dropped and fetched anew, or its beginning moved beyond.
      if (same.length) show(same, atEnd, first);
      else await newest();
    });
  };
  /** At what is not read yet, if it is held or comes soon; or where one was before; else at the newest. */
  const begin = async () => {
    const { unread = 0, read_seq = 0 } = (id && (await engine().conversation(id))) || {};
    const late = new Promise<undefined>((resolve) => setTimeout(resolve, SOON_MS));
    const goal = unread > FIRST ? read_seq + 1 : unread === 0 && id ? placeIn(id)?.seq : undefined;
    const found = id && goal !== undefined ? await Promise.race([around(id, goal).catch(() => undefined), late]) : undefined;
    if (found) show(found.entries, found.atEnd, found.first);
    else await newest();
  };
  const back = async () => {
    await one(async () => {
      const [oldest] = now.current.entries;
      if (!id || !oldest) return;
      const { older, first } = await before(oldest.seq);
      if (first && !older.length) show(now.current.entries, now.current.atEnd, true);
      for (let left = older.length; left > 0; ) {
        const next = Math.max(0, left - stepNow());
        const all = [...older.slice(next, left), ...now.current.entries];
        show(all.slice(0, MOST), now.current.atEnd && all.length <= MOST, first && next === 0);
        left = next;
        if (left > 0) await frame();
      }
    });
  };
  const before = async (seq: number): Promise<{ older: Entry[]; first: boolean }> => {
    if (seq < from()) {
      const page = await far({ before: seq }, PAGE);
      return { older: page.entries, first: !page.more };
    }
    let older = await engine().entries(id!, seq, PAGE);
    if (!older.length && (await engine().older(id!))) older = await engine().entries(id!, seq, PAGE);
    return { older, first: false };
  };
  const on = async () => {
    if (now.current.atEnd) return;
    await one(async () => {
      const last = now.current.entries.at(-1);
      if (!id || !last) return;
      const held = last.seq + 1 >= from();
      const next = held ? await engine().later(id, last.seq, PAGE) : (await far({ after: last.seq }, PAGE)).entries;
      if (!next.length) show(now.current.entries, held);
      for (let at = 0; at < next.length; ) {
        const to = at + stepNow();
        show([...now.current.entries, ...next.slice(at, to)].slice(-MOST), held && next.length < PAGE && to >= next.length);
        at = to;
        if (at < next.length) await frame();
      }
    });
  };

  const rung = id ? touched.value.get(id) : 0;
  useEffect(() => {
    void again();
  }, [id, rung]);
  // What is within has been laid out by now.
  useLayoutEffect(() => pace(performance.now() - begun), [shown]);
  const { entries, atEnd, first } = shown;
  const [oldest] = entries;
  const atBeginning = first || (record?.complete === true && (oldest === undefined || oldest.seq <= record.from));
  return { entries, atEnd, atBeginning, loading, back, on, toEnd, to };
}
