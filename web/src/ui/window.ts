// Which stretch of a long conversation is in the page: at most so many messages, whatever one scrolls through. What must not
// live here: what they look like, and the network.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ConversationRecord, Entry } from '../engine/records';
import { engine, touched } from './state';

export const MOST = 400;
const PAGE = 60;

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
  to: (seq: number) => Promise<boolean>;
}

export function useWindow(record: ConversationRecord | undefined): View {
  const id = record?.id;
  const [entries, setEntries] = useState<Entry[]>([]);
  const [atEnd, setAtEnd] = useState(true);
  const [loading, setLoading] = useState(false);
  const busy = useRef(false);
  const now = useRef({ entries, atEnd });
  now.current = { entries, atEnd };
  const show = (next: Entry[], end: boolean) => {
    now.current = { entries: next, atEnd: end };
    setEntries(next);
    setAtEnd(end);
  };

  const toEnd = async () => {
    if (id) show(await engine().entries(id, Number.MAX_SAFE_INTEGER, PAGE), true);
  };
  /** The same stretch, as it is now; at the end what is new as well. */
  const again = async () => {
    const [first] = now.current.entries;
    if (!id || !first) return toEnd();
    const found = await engine().later(id, first.seq - 1, MOST * 2);
    const last = now.current.entries.at(-1)?.seq ?? 0;
    const end = now.current.atEnd;
    const next = end ? found.slice(-MOST) : found.filter((entry) => entry.seq <= last);
    // The copy was dropped and fetched anew, or its beginning moved beyond.
    if (!next.length) return toEnd();
    show(next, end);
  };
  const one = async (work: () => Promise<void>) => {
    if (busy.current) return;
    busy.current = true;
    setLoading(true);
    try {
      await work();
    } catch {
      // Without a line there is nothing older to be had; what is held stays.
    } finally {
      busy.current = false;
      setLoading(false);
    }
  };
  const back = () =>
    one(async () => {
      const [first] = now.current.entries;
      if (!id || !first) return;
      let older = await engine().entries(id, first.seq, PAGE);
      if (!older.length && (await engine().older(id))) older = await engine().entries(id, first.seq, PAGE);
      const all = [...older, ...now.current.entries];
      if (older.length) show(all.slice(0, MOST), now.current.atEnd && all.length <= MOST);
    });
  const on = () =>
    one(async () => {
      const last = now.current.entries.at(-1);
      if (!id || !last || now.current.atEnd) return;
      const next = await engine().later(id, last.seq, PAGE);
      show([...now.current.entries, ...next].slice(-MOST), next.length < PAGE);
    });
  const to = async (seq: number): Promise<boolean> => {
    if (!id) return false;
    show([...(await engine().entries(id, seq, PAGE)), ...(await engine().later(id, seq - 1, PAGE))], false);
    return true;
  };

  const rung = id ? touched.value.get(id) : 0;
  useEffect(() => {
    void again();
  }, [id, rung]);
  const [first] = entries;
  const atBeginning = record?.complete === true && (first === undefined || first.seq <= record.from);
  return { entries, atEnd, atBeginning, loading, back, on, toEnd, to };
}
