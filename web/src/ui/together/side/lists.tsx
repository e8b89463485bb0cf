// Lists at the side: what is pinned, the threads of a conversation and those one follows. What must not live here: what they
// lead to.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ConversationRecord, Entry } from '../../../engine/records';
import type { ThreadInfo } from '../../../proto';
import { brief, words } from '../../../i18n';
import { more } from '../../../i18n/together-more';
import { go } from '../../route';
import { conversations, engine, titleOf, touched } from '../../state';
import { may, pin } from '../acts';
import { jump } from '../jump';
import { nameIn } from '../members';
import { readPins, usePins } from '../pins';
import { oneLine, useEntry } from '../quote';
import { followed, readThreads } from '../threads';

export function Pins({ record }: { record: ConversationRecord }) {
  const pinned = usePins(record);
  const { noPins, pinnedBy, unpin, foundMore } = more.value;
  const shown = pinned?.pins.flatMap((one) => {
    const entry = pinned.entries.get(one.target);
    return entry ? [{ one, entry }] : [];
  });
  return (
    <div class="body">
      {shown?.length === 0 && <p class="hint">{noPins}</p>}
      {shown?.map(({ one, entry }) => (
        <div key={one.seq} class="pinned">
          <Hit entry={entry} go={() => void jump(record.id, entry.seq)} />
          <p class="hint">
            {pinnedBy(nameIn(record.id, one.by))}
            {may(entry).pin && <button type="button" class="quiet slim" onClick={() => void pin(entry, false)}>{unpin}</button>}
          </p>
        </div>
      ))}
      {pinned?.next && <button type="button" onClick={() => void readPins(record.id, pinned.next).catch(() => {})}>{foundMore}</button>}
    </div>
  );
}

export function Hit({ entry, go: lead, children }: { entry: Entry; go: () => void; children?: ComponentChildren }) {
  return (
    <button type="button" class="hit" onClick={lead}>
      <span class="where"><strong>{nameIn(entry.conversation, entry.event.by)}</strong></span>
      <span class="when">{brief(entry.event.ts)}</span>
      <span class="snippet">{oneLine(entry)}</span>
      {children}
    </button>
  );
}

export function Threads({ record }: { record: ConversationRecord }) {
  const [here, setHere] = useState<readonly ThreadInfo[]>();
  const rung = touched.value.get(record.id);
  useEffect(() => {
    void readThreads().catch(() => {});
    engine()
      .ask({ type: 'threads', conversation: record.id, limit: 50 })
      .then((reply) => reply.type === 'threads' && setHere(reply.threads))
      .catch(() => setHere((before) => before ?? []));
  }, [record.id, rung]);
  const elsewhere = followed.value.filter((thread) => thread.conversation !== record.id);
  const { noThreads, threadsFollowed } = more.value;
  return (
    <div class="body">
      {here?.length === 0 && <p class="hint">{noThreads}</p>}
      {here?.map((thread) => <Line key={thread.thread} thread={thread} />)}
      {elsewhere.length > 0 && <h2>{threadsFollowed}</h2>}
      {elsewhere.map((thread) => <Line key={`${thread.conversation}/${thread.thread}`} thread={thread} named />)}
    </div>
  );
}

function Line({ thread, named }: { thread: ThreadInfo; named?: boolean }) {
  const root = useEntry(thread.conversation, thread.thread);
  const record = conversations.value.get(thread.conversation);
  const { newAnswers, threadIn } = more.value;
  if (!root) return null;
  return (
    <Hit entry={root} go={() => go(`/c/${thread.conversation}/${thread.thread}#thread`)}>
      <span class="replies">
        {words.value.replies(thread.replies)} {named && record ? threadIn(titleOf(record)) : ''}
        {thread.unread > 0 && <strong class="fresh">{newAnswers(thread.unread)}</strong>}
      </span>
    </Hit>
  );
}
