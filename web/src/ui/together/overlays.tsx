// Dialogs over a conversation that messages lead to: to whom they are passed on, why they are reported; and the bar of those that
// are selected. What must not live here: the menu (menu.tsx).
import { useEffect, useId, useMemo, useRef, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { uuidv7 } from '../../engine/ids';
import { some } from '../../engine/look';
import type { ConversationRecord, Entry } from '../../engine/records';
import { explained, fullTime, words } from '../../i18n';
import { more } from '../../i18n/together-more';
import type { Event } from '../../proto';
import { Avatar } from '../avatar';
import { Said } from '../message';
import { Form } from '../parts';
import { directWith, engine, listed, me, personName, titleOf, users } from '../state';
import { chosen, copy, passing, reporting, tell, tracing } from './acts';
import { together } from './copying';
import './together.css';

/** The browser's own dialog keeps the focus inside and closes by Escape. */
export function Dialog({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const before = document.activeElement;
    box.current?.showModal();
    box.current?.querySelector<HTMLElement>('input, textarea')?.focus();
    return () => (before as HTMLElement | null)?.focus?.();
  }, []);
  return (
    <dialog ref={box} aria-labelledby={heading} onClose={close} onClick={(event) => event.target === box.current && box.current?.close()}>
      <header>
        <h2 id={heading}>{title}</h2>
        <button type="button" class="quiet" onClick={() => box.current?.close()}>{words.value.close}</button>
      </header>
      {children}
    </dialog>
  );
}

export function Overlays() {
  return (
    <>
      {chosen.value && <Selection {...chosen.value} />}
      {passing.value && <PassOn entries={passing.value} />}
      {reporting.value && <Report entry={reporting.value} />}
      {tracing.value && <Versions entry={tracing.value} />}
    </>
  );
}

export interface Place {
  key: string;
  name: string;
  seed: string;
  to: ConversationRecord | { user: string };
}

/** Conversations as they are listed, then people with whom there is none yet. */
export function places(filter: string): Place[] {
  const wish = filter.trim().toLowerCase();
  const has = (...texts: string[]) => texts.some((text) => text.toLowerCase().includes(wish));
  const talks = listed.value.filter((record) => has(titleOf(record), record.peer ? (users.value.get(record.peer)?.name ?? '') : ''));
  const people = [...users.value.values()].filter((user) => !user.disabled && !user.deactivated && !directWith(user.user) && has(user.name, user.display_name));
  people.sort((one, other) => personName(one.user).localeCompare(personName(other.user)));
  return [
    ...talks.map((record) => ({ key: record.id, name: titleOf(record), seed: record.peer ?? record.id, to: record })),
    ...people.map((user) => ({ key: user.user, name: user.user === me.value ? words.value.yourself(personName(user.user)) : personName(user.user), seed: user.user, to: { user: user.user } })),
  ];
}

function PassOn({ entries }: { entries: Entry[] }) {
  const [filter, setFilter] = useState('');
  const { forwardTitle, filter: filterWord, nobody, forwarded } = more.value;
  const close = () => {
    passing.value = undefined;
  };
  // A channel where one may not write is no place to pass on to.
  const may = ({ to }: Place) => 'user' in to || to.role !== 'member' || (to.kind !== 'channel' && !to.mute_all);
  const there = places(filter).filter(may);
  const pass = async ({ to, name }: Place) => {
    close();
    chosen.value = undefined;
    for (const entry of entries) await engine().post(to, { type: 'send', forward_of: { conversation: entry.conversation, seq: entry.seq } });
    tell(forwarded(name));
  };
  return (
    <Dialog title={forwardTitle} close={close}>
      <div class="field box">
        <input type="text" autocomplete="off" aria-label={filterWord} placeholder={filterWord} value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
      </div>
      <ul class="people">
        {there.slice(0, 50).map((place) => (
          <li key={place.key}>
            <button type="button" onClick={() => void pass(place)}>
              <Avatar name={place.name} seed={place.seed} />
              {place.name}
            </button>
          </li>
        ))}
      </ul>
      {!there.length && <p class="hint">{nobody}</p>}
    </Dialog>
  );
}

function Report({ entry }: { entry: Entry }) {
  const [reason, setReason] = useState('');
  const client_id = useMemo(uuidv7, []);
  const id = useId();
  const { reportTitle, reportLead, reportWhy, reportGo, reported } = more.value;
  const close = () => {
    reporting.value = undefined;
  };
  const go = async () => {
    await engine().api.report({ client_id, conversation: entry.conversation, seq: entry.seq, reason: reason.trim() });
    close();
    tell(reported);
  };
  return (
    <Dialog title={reportTitle} close={close}>
      <Form go={go} label={reportGo}>
        <p class="hint">{reportLead}</p>
        <div class="field">
          <label for={id}>{reportWhy}</label>
          <textarea id={id} rows={3} maxLength={150} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
        </div>
      </Form>
    </Dialog>
  );
}

/** What it said before, newest first. */
function Versions({ entry }: { entry: Entry }) {
  const [versions, setVersions] = useState<Entry[]>();
  const [wrong, setWrong] = useState('');
  useEffect(() => {
    engine()
      .ask({ type: 'edits', conversation: entry.conversation, target: entry.seq, limit: 100 })
      .then((reply) => reply.type === 'edits' && setVersions(reply.versions.map(version).reverse()))
      .catch((error: unknown) => setWrong(explained(error)));
  }, []);
  const close = () => {
    tracing.value = undefined;
  };
  return (
    <Dialog title={more.value.versions} close={close}>
      <p class="hint" role="status">{wrong || (versions ? '' : words.value.working)}</p>
      <ul class="versions">
        {versions?.map((one) => (
          <li key={one.seq}>
            <time class="hint" dateTime={new Date(one.event.ts).toISOString()}>{fullTime(one.event.ts)}</time>
            <Said body={one.body} />
          </li>
        ))}
      </ul>
    </Dialog>
  );
}

/** The message itself, or an edit of it. */
function version(event: Event): Entry {
  const body = event.kind === 'message' || event.kind === 'edited' ? event.body : undefined;
  return { conversation: event.conversation, seq: event.seq, event, ...(body ? { body } : {}) };
}

/** While messages are selected a tap selects, and this says what to do with them. */
function Selection({ conversation, seqs }: { conversation: string; seqs: ReadonlySet<number> }) {
  const { selected, copySelected, forwardSelected, cancel, copied, notCopied } = more.value;
  const inOrder = async () => {
    const found = await some(engine(), conversation, [...seqs]).catch(() => new Map<number, Entry>());
    return [...found.values()].filter((entry) => !entry.erased).sort((one, other) => one.seq - other.seq);
  };
  const end = () => {
    chosen.value = undefined;
  };
  const take = async () => {
    tell((await copy(together(await inOrder()))) ? copied : notCopied);
    end();
  };
  const pass = async () => {
    const entries = await inOrder();
    if (entries.length) passing.value = entries;
  };
  useEffect(() => {
    const escape = (event: KeyboardEvent) => event.key === 'Escape' && !passing.value && end();
    document.addEventListener('keydown', escape);
    return () => document.removeEventListener('keydown', escape);
  }, []);
  return (
    <div class="selection" role="toolbar" aria-label={selected(seqs.size)}>
      <strong role="status">{selected(seqs.size)}</strong>
      <button type="button" class="main" onClick={() => void take()}>{copySelected}</button>
      <button type="button" onClick={() => void pass()}>{forwardSelected}</button>
      <button type="button" class="quiet" onClick={end}>{cancel}</button>
    </div>
  );
}
