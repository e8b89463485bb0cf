// Where one writes. What must not live here: what becomes of it.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ConversationRecord } from '../engine/records';
import { words } from '../i18n';
import { Attach, hasFiles, sendFiles } from './files/slot';
import { engine } from './state';
import { begun, draftOf, paused, put } from './talk/drafts';

const TYPING_MS = 4_000;
/** On a touch screen Enter makes a new line, as everywhere else there. */
const touch = () => matchMedia('(pointer: coarse)').matches;

export function Composer({ to, title }: { to: ConversationRecord | { user: string }; title: string }) {
  const key = 'user' in to ? to.user : to.id;
  const [text, setText] = useState(() => draftOf(key).text);
  const box = useRef<HTMLTextAreaElement>(null);
  const told = useRef(0);
  useEffect(() => {
    const el = box.current;
    if (!el) return;
    el.style.height = 'auto';
    el.style.height = `${Math.min(el.scrollHeight + 2, 240)}px`;
  }, [text]);
  useEffect(() => {
    if (!touch()) box.current?.focus({ preventScroll: true });
  }, [key]);
  useEffect(() => () => paused(key), [key]);
  const { to: where, n, focus } = put.value;
  const seen = useRef(n);
  useEffect(() => {
    if (where !== key || n === seen.current) return;
    seen.current = n;
    setText(draftOf(key).text);
    if (focus) box.current?.focus();
  }, [n]);
  const write = (value: string) => {
    setText(value);
    begun(key, value);
    if ('user' in to || !value || Date.now() - told.current < TYPING_MS) return;
    told.current = Date.now();
    void engine()
      .ask({ type: 'typing', conversation: to.id, on: true })
      .catch(() => {});
  };
  const send = async () => {
    const said = text.trim();
    if (hasFiles(to)) {
      write('');
      // Whatever keeps them here keeps the words, too.
      if (!(await sendFiles(to, said))) write([said, box.current?.value].filter(Boolean).join('\n'));
      return;
    }
    if (!said) return;
    write('');
    told.current = 0;
    box.current?.focus();
    try {
      await engine().post(to, { type: 'send', body: { kind: 'text', text: said } });
    } catch {
      // It could not even be written down: it stays where it was.
      write(said);
    }
  };
  const pressed = (event: KeyboardEvent) => {
    // While an input method composes, Enter chooses a word.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229 || touch()) return;
    event.preventDefault();
    void send();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <Attach to={to} />
      <textarea
        ref={box}
        rows={1}
        value={text}
        aria-label={words.value.writeTo(title)}
        placeholder={words.value.writeTo(title)}
        enterkeyhint="enter"
        onInput={(event) => write(event.currentTarget.value)}
        onKeyDown={pressed}
      />
      <button type="submit" class="main" aria-disabled={text.trim() === '' && !hasFiles(to)}>
        {words.value.send}
      </button>
    </form>
  );
}
