// The message that another one answers, in two lines of a fixed height: it may come later than the message, and nothing moves
// then. What must not live here: whole messages.
import { useEffect, useState } from 'preact/hooks';
import { held, some } from '../../engine/look';
import type { Entry } from '../../engine/records';
import { words } from '../../i18n';
import { conversations, engine, touched } from '../state';
import { plain } from '../text';
import { jump } from './jump';
import { nameIn } from './members';

/** Single messages that are asked for at the same moment go in one request. */
const waiting = new Map<string, Map<number, ((entry: Entry | null) => void)[]>>();

function wish(conversation: string, seq: number): Promise<Entry | null> {
  return new Promise((resolve) => {
    const seqs = waiting.get(conversation) ?? new Map<number, ((entry: Entry | null) => void)[]>();
    if (!seqs.size) queueMicrotask(() => void fetchAll(conversation));
    waiting.set(conversation, seqs.set(seq, [...(seqs.get(seq) ?? []), resolve]));
  });
}

/** What is not held is asked for once, until something in the conversation is taken back. */
const asked = new Map<string, Entry | null>();

async function fetchAll(conversation: string): Promise<void> {
  const seqs = waiting.get(conversation);
  waiting.delete(conversation);
  if (!seqs) return;
  const state = conversations.value.get(conversation)?.pins ?? 0;
  const key = (seq: number) => `${conversation}/${seq}/${state}`;
  const found = await held(engine(), conversation, [...seqs.keys()]);
  const missing = [...seqs.keys()].filter((seq) => !found.has(seq) && !asked.has(key(seq)));
  if (missing.length) {
    const there = await some(engine(), conversation, missing).catch(() => undefined);
    // Without a line nothing is known about them.
    if (there) for (const seq of missing) asked.set(key(seq), there.get(seq) ?? null);
  }
  for (const [seq, then] of seqs) for (const resolve of then) resolve(found.get(seq) ?? asked.get(key(seq)) ?? null);
}

/** `undefined` while it is asked for, `null` if it is not to be seen. */
export function useEntry(conversation: string | undefined, seq: number | undefined): Entry | null | undefined {
  const [entry, setEntry] = useState<Entry | null>();
  const rung = conversation ? touched.value.get(conversation) : 0;
  useEffect(() => {
    let there = true;
    if (conversation && seq !== undefined) void wish(conversation, seq).then((found) => there && setEntry(found));
    return () => {
      there = false;
    };
  }, [conversation, seq, rung]);
  return entry;
}

/** What a message says, on one line. */
export function oneLine(entry: Entry): string {
  const { body } = entry;
  if (!body) return words.value.erased;
  if (body.kind === 'opaque') return words.value.notSupported;
  const text = body.kind === 'text' ? body.text : body.caption || body.name;
  return plain(text, (user) => (user === 'all' ? words.value.everyone : nameIn(entry.conversation, user)));
}

export function Quote({ conversation, seq }: { conversation: string; seq: number }) {
  const entry = useEntry(conversation, seq);
  const { quoteGone, quoteOf } = words.value;
  const name = entry ? nameIn(conversation, entry.event.by) : '';
  return (
    <button type="button" class="quote" disabled={!entry} onClick={() => void jump(conversation, seq)}>
      <span class="unseen">{quoteOf}</span>
      <strong>{name}</strong>
      <span>{entry ? oneLine(entry) : entry === null ? quoteGone : '…'}</span>
    </button>
  );
}

/** What is passed on and has no copy of its own yet. */
export function Passed({ of }: { of: { conversation: string; seq: number } }) {
  const entry = useEntry(of.conversation, of.seq);
  return <p>{entry ? oneLine(entry) : entry === null ? words.value.quoteGone : '…'}</p>;
}
