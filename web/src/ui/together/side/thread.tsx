// One thread: the message on which it hangs, what was said in it, and where one writes in it. What must not live here: lists of
// threads (lists.tsx).
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { edited, held } from '../../../engine/look';
import { type ConversationRecord, type Entry, laneOf } from '../../../engine/records';
import { more } from '../../../i18n/together-more';
import { explained, words } from '../../../i18n';
import { Composer } from '../../composer';
import { Message, Unsent } from '../../message';
import { engine, line, me, outbox, titleOf, touched } from '../../state';
import { tell } from '../acts';
import { flash, jumping } from '../jump';
import { useEntry } from '../quote';
import { readThreads } from '../threads';

const PAGE = 50;
/** What came since the page was asked for lies in the copy; of more than so many events the page is asked for again. */
const MOST_NEW = 500;
const APART_MS = 300_000;
const AT_BOTTOM = 64;

interface Shown {
  entries: Entry[];
  /** There are earlier ones on the server. */
  more: boolean;
  following: boolean;
  /** The server was not to be reached: only what is held is here. */
  partly: boolean;
}

const inThread = (entry: Entry, root: number) => entry.event.kind === 'message' && entry.event.thread === root;
const bySeq = (entries: Iterable<Entry>) => [...entries].sort((one, other) => one.seq - other.seq);

function useThread(record: ConversationRecord, root: number) {
  const [shown, setShown] = useState<Shown>({ entries: [], more: false, following: false, partly: true });
  const now = useRef(shown);
  const set = (next: Partial<Shown>) => {
    now.current = { ...now.current, ...next };
    setShown(now.current);
  };
  const { id } = record;
  /** With what the copy has of it, as it is now: reactions, edits, what came since. */
  const refresh = async (entries: Entry[]) => {
    const last = Math.max(root, entries.at(-1)?.seq ?? 0);
    const copies = await held(engine(), id, entries.map((entry) => entry.seq));
    const fresh = (await engine().later(id, last, MOST_NEW)).filter((entry) => inThread(entry, root));
    const all = new Map(entries.map((entry) => [entry.seq, copies.get(entry.seq) ?? entry]));
    for (const entry of fresh) all.set(entry.seq, entry);
    return bySeq(all.values());
  };
  const page = async (before?: number) => {
    const reply = await engine().ask({ type: 'thread', conversation: id, thread: root, limit: PAGE, ...(before ? { before } : {}) });
    if (reply.type !== 'thread') return;
    const found = edited(reply.events, reply.edits ?? []);
    // What this device has not told yet counts.
    const wished = await engine().following(id, root);
    const entries = await refresh(bySeq(new Map([...(before ? now.current.entries : []), ...found].map((entry) => [entry.seq, entry])).values()));
    set({ entries, more: reply.more, following: wished ?? reply.following === true, partly: false });
  };
  const online = line.value === 'online' || line.value === 'fallback';
  useEffect(() => {
    // Nothing was written in it yet, or there is no line: what is held is shown.
    page().catch(async (error: unknown) => set({ entries: await refresh(now.current.entries), partly: (error as Error).name === 'Lost' }));
  }, [id, root, online]);
  const rung = touched.value.get(id);
  useEffect(() => {
    void refresh(now.current.entries).then((entries) => {
      // Who writes in a thread follows it.
      const wrote = entries.length > now.current.entries.length && entries.at(-1)?.event.by === me.value;
      set({ entries, ...(wrote ? { following: true } : {}) });
    });
  }, [rung]);
  const follow = async () => {
    const on = !now.current.following;
    set({ following: on });
    try {
      await engine().set({ key: 'follow', conversation: id, seq: root, value: on });
      void readThreads().catch(() => {});
    } catch (error) {
      set({ following: !on });
      tell(explained(error));
    }
  };
  return { ...shown, earlier: () => void page(now.current.entries[0]?.seq).catch(() => {}), follow: () => void follow() };
}

export function Thread({ record, root }: { record: ConversationRecord; root: number }) {
  const first = useEntry(record.id, root);
  const { entries, more: isMore, following, partly, earlier, follow } = useThread(record, root);
  const box = useRef<HTMLDivElement>(null);
  const stick = useRef(true);
  const there = new Set(entries.map((entry) => entry.event.client_id));
  const lane = laneOf(record);
  const rows = outbox.value.filter((row) => row.lane === lane && row.change.type === 'send' && row.change.thread === root && !there.has(row.client_id));
  const newest = entries.at(-1)?.seq;
  useLayoutEffect(() => {
    const el = box.current;
    const wished = jumping.value?.conversation === record.id ? el?.querySelector<HTMLElement>(`[data-seq="${jumping.value.seq}"]`) : null;
    if (wished && jumping.value && jumping.value.seq !== root) {
      wished.scrollIntoView({ block: 'center' });
      flash(wished);
      jumping.value = undefined;
    } else if (el && stick.current) el.scrollTop = el.scrollHeight;
  }, [entries, rows.length]);
  useEffect(() => {
    if (!newest || !following || document.hidden) return;
    void engine()
      .ask({ type: 'mark_read', conversation: record.id, seq: newest, thread: root })
      .then(readThreads)
      .catch(() => {});
  }, [newest, following]);
  const scrolled = () => {
    const el = box.current;
    if (el) stick.current = el.scrollHeight - el.scrollTop - el.clientHeight < AT_BOTTOM;
  };
  const { noAnswers, olderMissing, earlier: earlierWord, follow: followWord, unfollow } = more.value;
  const mayPost = !record.gone && (record.role !== 'member' || (record.kind !== 'channel' && !record.mute_all));
  return (
    <>
      <div ref={box} class="scroll" role="log" tabIndex={0} aria-label={more.value.threadTitle} onScroll={scrolled}>
        {first && <Message entry={first} follows={false} read={false} apart />}
        {first === null && <p class="faint edge">{words.value.quoteGone}</p>}
        <p class="divider"><span>{words.value.replies(entries.length)}{isMore ? '+' : ''}</span></p>
        {isMore && <p class="edge"><button type="button" class="quiet slim" onClick={earlier}>{earlierWord}</button></p>}
        {partly && <p class="faint edge">{olderMissing}</p>}
        {!entries.length && !rows.length && !partly && <p class="faint edge">{noAnswers}</p>}
        {entries.map((entry, at) => {
          const before = entries[at - 1];
          const follows = before?.event.by === entry.event.by && entry.event.ts - before.event.ts < APART_MS;
          return <Message key={entry.seq} entry={entry} follows={follows} read={record.others_read >= entry.seq} apart />;
        })}
        {rows.map((row) => <Unsent key={row.client_id} row={row} follows={false} />)}
      </div>
      {entries.length > 0 && !partly && (
        <p class="edge follow">
          <button type="button" class="quiet slim" aria-pressed={following} onClick={follow}>{following ? unfollow : followWord}</button>
        </p>
      )}
      {mayPost ? <Composer to={record} title={titleOf(record)} thread={root} /> : null}
    </>
  );
}
