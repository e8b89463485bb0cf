// Where one writes: a message, a reply, a change of what one said. What must not live here: what becomes of it, and what is
// offered meanwhile (together/complete.tsx, together/picker.tsx).
import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { some } from '../engine/look';
import type { ConversationRecord, Entry } from '../engine/records';
import type { Body } from '../proto';
import { words } from '../i18n';
import { Attach, hasFiles, sendFiles } from './files/slot';
import { engine, users } from './state';
import { begun, draftOf, paused, put as putHere } from './talk/drafts';
import { answer, answering, placeOf } from './together/acts';
import { Icon } from './together/icons';
import { lastOwn } from './together/last';
import { lazy } from './together/lazy';
import { decoded, encoded, labelsOf, type Person, wordAt } from './together/mention';
import { nameIn, rosters } from './together/members';
import { oneLine } from './together/quote';

const TYPING_MS = 4_000;
const MOST_PX = 240;
/** On a touch screen Enter makes a new line, as everywhere else there. */
const touch = () => matchMedia('(pointer: coarse)').matches;
const Complete = lazy(() => import('./together/complete').then((part) => part.Complete));
const Picker = lazy(() => import('./together/picker').then((part) => part.Picker));

interface Props {
  to: ConversationRecord | { user: string };
  title: string;
  /** The root, where one writes in a thread. */
  thread?: number;
}
type Answered = { entry: Entry; edit: boolean } | undefined;

/** Who can be mentioned: those in the conversation, or everyone as long as one does not know. */
function usePeople(to: Props['to']) {
  const known = 'user' in to ? undefined : rosters.value.get(to.id);
  const everyone = !('user' in to) && (to.role !== 'member' || to.kind === 'direct' || to.all_mentions === true);
  return useMemo(() => {
    const people: readonly Person[] = known?.members ?? [...users.value.values()].filter((user) => !user.disabled && !user.deactivated);
    return { people, everyone, ...labelsOf(people, everyone ? [words.value.everyone, 'all'] : []) };
  }, [known, known ? undefined : users.value, everyone, words.value]);
}

/** What one has begun, also elsewhere. The text of a message that one changes lies over it, and leaves it as it is. */
function useText(key: string, place: string, answered: Answered, decode: (text: string) => string) {
  const [text, setText] = useState(() => draftOf(key).text);
  const changing = answered?.edit ? answered.entry : undefined;
  const replied = answered && !answered.edit ? answered.entry.seq : undefined;
  const { to: where, n } = putHere.value;
  const seen = useRef({ n, changing: false, replied: undefined as number | undefined });
  useLayoutEffect(() => {
    if (changing) setText(decode(said(changing.body)));
    else if (seen.current.changing) setText(draftOf(key).text);
    seen.current.changing = changing !== undefined;
  }, [changing?.seq]);
  useEffect(() => {
    const { reply_to } = draftOf(key);
    if (reply_to && key.startsWith('c') && !answering.value.has(place)) void answerAgain(key, place, reply_to);
    return () => paused(key);
  }, [key]);
  useEffect(() => {
    if (where !== key || n === seen.current.n) return;
    seen.current.n = n;
    if (!changing) setText(draftOf(key).text);
  }, [n]);
  useEffect(() => {
    const before = seen.current.replied;
    seen.current.replied = replied;
    if (replied !== before && !changing && draftOf(key).text) begun(key, draftOf(key).text, replied);
  }, [replied]);
  const write = (value: string) => {
    setText(value);
    if (!changing) begun(key, value, replied);
  };
  return [text, write] as const;
}

async function answerAgain(conversation: string, place: string, seq: number): Promise<void> {
  const entry = (await some(engine(), conversation, [seq]).catch(() => undefined))?.get(seq);
  if (entry && !entry.erased && !answering.value.has(place)) answer(place, { entry, edit: false });
}

const said = (body: Body | undefined): string => (!body || body.kind === 'opaque' ? '' : body.kind === 'text' ? body.text : (body.caption ?? ''));
const changed = (body: Body, text: string): Body => (body.kind === 'text' ? { ...body, text } : ({ ...body, caption: text } as Body));

/** Writes down what was written; false if there was nothing, or it could not even be written down. */
async function handIn(to: Props['to'], wish: string, answered: Answered, more: object): Promise<void> {
  const { entry, edit } = answered ?? {};
  if (edit && entry?.body) {
    if (wish !== said(entry.body)) await engine().post(to as ConversationRecord, { type: 'edit', target: entry.seq, body: changed(entry.body, wish) });
  } else await engine().post(to, { type: 'send', body: { kind: 'text', text: wish }, ...(entry ? { reply_to: entry.seq } : {}), ...more });
}

/** Others see that one writes, told every few seconds; after what was sent it begins anew. */
function useTyping(to: Props['to']): (on: boolean) => void {
  const told = useRef(0);
  return (on) => {
    if (!on) told.current = 0;
    if ('user' in to || !on || Date.now() - told.current < TYPING_MS) return;
    told.current = Date.now();
    void engine()
      .ask({ type: 'typing', conversation: to.id, on: true })
      .catch(() => {});
  };
}

/** As high as what is in it, up to a bound. */
function useGrowing(box: RefObject<HTMLTextAreaElement | null>, text: string): void {
  useEffect(() => {
    const el = box.current;
    if (!el) return;
    el.style.height = 'auto';
    // Empty it is one line, however the hint in it would wrap.
    if (text) el.style.height = `${Math.min(el.scrollHeight + 2, MOST_PX)}px`;
  }, [text]);
}

export function Composer({ to, title, thread }: Props) {
  const id = 'user' in to ? to.user : to.id;
  const place = placeOf(id, thread);
  const { people, everyone, labels, of } = usePeople(to);
  const answered = answering.value.get(place);
  // What is begun in a thread stays on this device: the server keeps one draft per conversation.
  const [text, write] = useText(thread ? `thread:${place}` : id, place, answered, (body) => decoded(body, of));
  const [also, setAlso] = useState(false);
  const [picking, setPicking] = useState(false);
  const [caret, setCaret] = useState(0);
  const box = useRef<HTMLTextAreaElement>(null);
  const keys = useRef<((event: KeyboardEvent) => boolean) | undefined>(undefined);
  const tellTyping = useTyping(to);
  const word = wordAt(text, caret);
  useGrowing(box, text);
  const { to: where, n, focus } = putHere.value;
  useEffect(() => {
    if (!touch() || answered || (where === id && focus)) box.current?.focus({ preventScroll: true });
  }, [place, answered, n]);
  const typed = (value: string) => {
    write(value);
    setCaret(box.current?.selectionStart ?? value.length);
    tellTyping(value !== '');
  };
  /** Puts something where the caret is, or in place of the word that is being written. */
  const put = (what: string, from = caret) => {
    const el = box.current;
    const start = Math.min(from, el?.selectionStart ?? text.length);
    const end = start + what.length;
    const whole = text.slice(0, start) + what + text.slice(el?.selectionEnd ?? text.length);
    write(whole);
    setCaret(end);
    if (!el) return;
    // At once: the next key is meant for behind it.
    el.value = whole;
    el.focus();
    el.setSelectionRange(end, end);
  };
  /** Whatever keeps the files here keeps the words, too. */
  const sendWith = async (wish: string) => {
    const more = { ...(answered ? { reply_to: answered.entry.seq } : {}), ...(thread ? { thread, ...(also ? { also_send: true } : {}) } : {}) };
    write('');
    if (await sendFiles(to, wish, more)) answer(place, undefined);
    else write([text, box.current?.value].filter(Boolean).join('\n'));
  };
  const send = async () => {
    const wish = encoded(text.trim(), labels);
    if (hasFiles(to, thread) && !answered?.edit) return sendWith(wish);
    // Only a file may be left without words.
    if (!wish && (!answered?.edit || answered.entry.body?.kind === 'text')) return;
    tellTyping(false);
    setPicking(false);
    box.current?.focus();
    if (!answered?.edit) write('');
    answer(place, undefined);
    try {
      await handIn(to, wish, answered, thread ? { thread, ...(also ? { also_send: true } : {}) } : {});
    } catch {
      answer(place, answered);
      write(text);
    }
  };
  const stop = () => answer(place, undefined);
  const pressed = (event: KeyboardEvent) => {
    // While an input method composes, its keys are its own.
    if (event.isComposing || event.keyCode === 229) return;
    if (keys.current?.(event)) event.preventDefault();
    else if (event.key === 'Enter' && !event.shiftKey && !touch()) {
      event.preventDefault();
      void send();
    } else if (event.key === 'Escape' && answered) {
      event.preventDefault();
      event.stopPropagation();
      stop();
    } else if (event.key === 'ArrowUp' && !text && !answered && !('user' in to)) {
      event.preventDefault();
      void lastOwn(to.id, thread).then((entry) => entry && answer(place, { entry, edit: true }));
    }
  };
  const { save, send: sendWord, writeTo, writeThread, emoji, alsoSend } = words.value;
  const label = thread ? writeThread : writeTo(title);
  return (
    <div class="write">
      {answered && <About answered={answered} stop={stop} />}
      {word && box.current && <Complete word={word} people={people} everyone={everyone} labelOf={of} keys={keys} choose={(what) => put(what, word.from)} />}
      {picking && <Picker close={() => setPicking(false)} choose={(what) => put(what)} />}
      <form
        class="composer"
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        {!answered?.edit && <Attach to={to} thread={thread} />}
        <textarea
          ref={box}
          rows={1}
          value={text}
          aria-label={label}
          placeholder={label}
          aria-autocomplete="list"
          enterkeyhint="enter"
          onInput={(event) => typed(event.currentTarget.value)}
          onKeyDown={pressed}
          onSelect={() => setCaret(box.current?.selectionStart ?? 0)}
        />
        <button type="button" class="quiet icon" aria-label={emoji} title={emoji} aria-expanded={picking} onClick={() => setPicking(!picking)}>
          <Icon of="emoji" />
        </button>
        <button type="submit" class="main" aria-disabled={text.trim() === '' && !hasFiles(to, thread)}>
          {answered?.edit ? save : sendWord}
        </button>
      </form>
      {thread && !answered?.edit && (
        <label class="also">
          <input type="checkbox" checked={also} onChange={() => setAlso(!also)} />
          {alsoSend}
        </label>
      )}
    </div>
  );
}

/** What one replies to, or changes. */
function About({ answered: { entry, edit }, stop }: { answered: NonNullable<Answered>; stop: () => void }) {
  const { replyingTo, editing, stopThat } = words.value;
  return (
    <p class="answering">
      <span>
        <strong>{edit ? editing : replyingTo(nameIn(entry.conversation, entry.event.by))}</strong> {oneLine(entry)}
      </span>
      <button type="button" class="quiet slim" onClick={stop}>{stopThat}</button>
    </p>
  );
}
