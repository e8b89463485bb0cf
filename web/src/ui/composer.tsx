// Where one writes: a message, an answer, a change of what one said. What must not live here: what becomes of it, and what is
// offered meanwhile (together/complete.tsx, together/picker.tsx).
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { ConversationRecord, Entry } from '../engine/records';
import type { Body } from '../proto';
import { words } from '../i18n';
import { engine, users } from './state';
import { answer, answering, placeOf } from './together/acts';
import { lazy } from './together/lazy';
import { lastOwn } from './together/last';
import { decoded, encoded, labelsOf, type Person, wordAt } from './together/mention';
import { nameIn, rosters } from './together/members';
import { oneLine } from './together/quote';

const TYPING_MS = 4_000;
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

/** Who can be mentioned: those in the conversation, or everyone as long as one does not know. */
function usePeople(to: Props['to']) {
  const known = 'user' in to ? undefined : rosters.value.get(to.id);
  const everyone = !('user' in to) && (to.role !== 'member' || to.kind === 'direct' || to.all_mentions === true);
  return useMemo(() => {
    const people: readonly Person[] = known?.members ?? [...users.value.values()].filter((user) => !user.disabled && !user.deactivated);
    return { people, everyone, ...labelsOf(people, everyone ? [words.value.everyone, 'all'] : []) };
  }, [known, known ? undefined : users.value, everyone, words.value]);
}

/** The text that one changes lies over the draft, which comes back afterwards. */
function useText(key: string, changing: Entry | undefined, decode: (text: string) => string) {
  const [text, setText] = useState(() => localStorage.getItem(key) ?? '');
  const aside = useRef<string | undefined>(undefined);
  useLayoutEffect(() => {
    if (changing) {
      aside.current ??= text;
      setText(decode(said(changing.body)));
    } else if (aside.current !== undefined) {
      setText(aside.current);
      aside.current = undefined;
    }
  }, [changing?.seq]);
  const write = (value: string) => {
    setText(value);
    if (changing) return;
    if (value) localStorage.setItem(key, value);
    else localStorage.removeItem(key);
  };
  return [text, write] as const;
}

const said = (body: Body | undefined): string => (!body || body.kind === 'opaque' ? '' : body.kind === 'text' ? body.text : (body.caption ?? ''));
const changed = (body: Body, text: string): Body => (body.kind === 'text' ? { ...body, text } : ({ ...body, caption: text } as Body));

export function Composer({ to, title, thread }: Props) {
  const place = placeOf('user' in to ? to.user : to.id, thread);
  const { people, everyone, labels, of } = usePeople(to);
  const answered = answering.value.get(place);
  const changing = answered?.edit ? answered.entry : undefined;
  const [text, write] = useText(`kinglet-draft:${place}`, changing, (body) => decoded(body, of));
  const [also, setAlso] = useState(false);
  const [picking, setPicking] = useState(false);
  const [caret, setCaret] = useState(0);
  const box = useRef<HTMLTextAreaElement>(null);
  const keys = useRef<((event: KeyboardEvent) => boolean) | undefined>(undefined);
  const told = useRef(0);
  const word = wordAt(text, caret);
  useEffect(() => {
    const el = box.current;
    if (!el) return;
    el.style.height = 'auto';
    el.style.height = `${Math.min(el.scrollHeight + 2, 240)}px`;
  }, [text]);
  useEffect(() => {
    if (!touch() || answered) box.current?.focus({ preventScroll: true });
  }, [place, answered]);
  const typed = (value: string) => {
    write(value);
    setCaret(box.current?.selectionStart ?? value.length);
    if ('user' in to || !value || Date.now() - told.current < TYPING_MS) return;
    told.current = Date.now();
    void engine()
      .ask({ type: 'typing', conversation: to.id, on: true })
      .catch(() => {});
  };
  /** Puts something where the caret is, or in place of the word that is being written. */
  const put = (what: string, from = caret) => {
    const el = box.current;
    const end = el?.selectionEnd ?? text.length;
    const start = Math.min(from, el?.selectionStart ?? text.length);
    const next = text.slice(0, start) + what + text.slice(end);
    write(next);
    setCaret(start + what.length);
    requestAnimationFrame(() => {
      el?.focus();
      el?.setSelectionRange(start + what.length, start + what.length);
    });
  };
  const send = async () => {
    const wish = encoded(text.trim(), labels);
    // Only a file may be left without words.
    if (!wish && (!changing || changing.body?.kind === 'text')) return;
    told.current = 0;
    box.current?.focus();
    if (answered) answer(place, undefined);
    try {
      if (changing?.body) {
        if (wish !== said(changing.body)) await engine().post(to, { type: 'edit', target: changing.seq, body: changed(changing.body, wish) });
        return;
      }
      write('');
      const about = answered ? { reply_to: answered.entry.seq } : {};
      await engine().post(to, { type: 'send', body: { kind: 'text', text: wish }, ...about, ...(thread ? { thread, ...(also ? { also_send: true } : {}) } : {}) });
    } catch {
      // It could not even be written down: it stays where it was.
      if (answered) answer(place, answered);
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
  const moved = () => setCaret(box.current?.selectionStart ?? 0);
  const { replyingTo, editing, stopThat, save, send: sendWord, writeTo, emoji, alsoSend } = words.value;
  return (
    <div class="write">
      {answered && (
        <p class="answering">
          <span>
            <strong>{changing ? editing : replyingTo(nameIn(answered.entry.conversation, answered.entry.event.by))}</strong> {oneLine(answered.entry)}
          </span>
          <button type="button" class="quiet slim" onClick={stop}>{stopThat}</button>
        </p>
      )}
      {word && box.current && <Complete word={word} people={people} everyone={everyone} labelOf={of} keys={keys} choose={(what) => put(what, word.from)} />}
      {picking && <Picker close={() => setPicking(false)} choose={(what) => put(what)} />}
      <form
        class="composer"
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <textarea
          ref={box}
          rows={1}
          value={text}
          aria-label={writeTo(title)}
          placeholder={writeTo(title)}
          aria-autocomplete="list"
          enterkeyhint="enter"
          onInput={(event) => typed(event.currentTarget.value)}
          onKeyDown={pressed}
          onSelect={moved}
        />
        <button type="button" class="quiet icon" aria-label={emoji} title={emoji} aria-expanded={picking} onClick={() => setPicking(!picking)}>
          <span aria-hidden="true">☺</span>
        </button>
        <button type="submit" class="main" aria-disabled={text.trim() === ''}>
          {changing ? save : sendWord}
        </button>
      </form>
      {thread && !changing && (
        <label class="also">
          <input type="checkbox" checked={also} onChange={() => setAlso(!also)} />
          {alsoSend}
        </label>
      )}
    </div>
  );
}
