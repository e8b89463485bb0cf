// Small parts that several pages share: fields, buttons, banners, the QR code. What must not live here: a page.
import { type ComponentChildren, createContext } from 'preact';
import { useContext, useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { explained, otherLanguage, words } from '../i18n';
import { team } from './first/team';

interface FieldProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  hint?: string;
  type?: 'text' | 'password';
  autocomplete?: string;
  inputMode?: 'text' | 'numeric';
  maxLength?: number;
  autofocus?: boolean;
  /** What is wrong with what was typed, if anything. */
  check?: (value: string) => string;
}

/** Its form was handed in, and something in it is wrong: each field says so of itself. */
const Tried = createContext(false);

export function Field({ label, value, onInput, hint, type = 'text', autocomplete = 'off', inputMode, maxLength, autofocus, check }: FieldProps) {
  const id = useId();
  const wrong = value.trim() ? (check?.(value) ?? '') : words.value.fieldMissing;
  const says = useContext(Tried) ? wrong : '';
  // What is said to be wrong need not be said twice.
  const helps = hint === says ? undefined : hint;
  const [shown, setShown] = useState(false);
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (autofocus) box.current?.focus();
  }, []);
  // So the form knows, too.
  useLayoutEffect(() => box.current?.setCustomValidity(wrong), [wrong]);
  const secret = type === 'password';
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="box">
        <input
          ref={box}
          id={id}
          {...(secret && !shown ? { type: 'password' as const } : { type: 'text' as const })}
          value={value}
          required
          autocomplete={autocomplete}
          inputMode={inputMode}
          maxLength={maxLength}
          autocapitalize={autocomplete === 'off' ? 'sentences' : 'none'}
          spellcheck={false}
          aria-invalid={says ? true : undefined}
          aria-describedby={[says && `${id}-wrong`, helps && `${id}-hint`].filter(Boolean).join(' ') || undefined}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
        {secret && (
          <button type="button" class="quiet" aria-pressed={shown} onClick={() => setShown(!shown)}>
            {shown ? words.value.hidePassword : words.value.showPassword}
          </button>
        )}
      </div>
      {says && (
        <p class="wrong" id={`${id}-wrong`}>
          {says}
        </p>
      )}
      {helps && (
        <p class="hint" id={`${id}-hint`}>
          {helps}
        </p>
      )}
    </div>
  );
}

interface FormProps {
  go: () => Promise<void>;
  label: string;
  /** Not the one thing to do here. */
  quiet?: boolean;
  children: ComponentChildren;
}

/** The first that is not as it has to be. Others than `Field`s the browser itself explains. */
function firstWrong(form: HTMLFormElement): HTMLInputElement | undefined {
  const all = [...form.elements] as HTMLInputElement[];
  return all.find((one) => one.willValidate && !one.validity.valid);
}

/** A form that can be handed in once at a time, and says what went wrong: all that can be seen at once, each where it is. */
export function Form({ go, label, quiet, children }: FormProps) {
  const [busy, setBusy] = useState(false);
  const [tried, setTried] = useState(false);
  const [wrong, setWrong] = useState('');
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (busy) return;
    setWrong('');
    setTried(true);
    const bad = firstWrong(event.currentTarget as HTMLFormElement);
    if (bad?.validity.customError) bad.focus();
    else bad?.reportValidity();
    if (bad) return;
    setBusy(true);
    try {
      await go();
    } catch (error) {
      setWrong(explained(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form noValidate onSubmit={submit}>
      <Tried.Provider value={tried}>{children}</Tried.Provider>
      <p class="wrong" role="alert">
        {wrong}
      </p>
      <button type="submit" class={quiet ? 'quiet' : 'main'} aria-disabled={busy}>
        {busy ? words.value.working : label}
      </button>
    </form>
  );
}

/** The frame of the pages before one is in. */
/** `arrive`: it comes in place of another one, whose end may have been in view. */
export function Sheet({ title, arrive, children }: { title: string; arrive?: boolean; children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · ${words.value.app}`;
  }, [title]);
  useEffect(() => {
    if (!arrive) return;
    scrollTo(0, 0);
    heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <div class="sheet">
      <header>
        <img src="/icon.svg" alt="" width="36" height="36" />
        <span class="brand">{team.value || words.value.app}</span>
        <LanguageButton />
      </header>
      <main>
        <h1 ref={heading} tabIndex={arrive ? -1 : undefined}>
          {title}
        </h1>
        {children}
      </main>
    </div>
  );
}

export function LanguageButton() {
  const { otherLanguage: name, lang } = words.value;
  return (
    <button type="button" class="quiet" lang={lang === 'en' ? 'zh-Hans' : 'en'} onClick={otherLanguage}>
      {name}
    </button>
  );
}

/** Drawn as one path; the program for it is fetched only here. */
export function Qr({ text, label }: { text: string; label: string }) {
  const [cells, setCells] = useState<readonly boolean[][]>([]);
  useEffect(() => {
    void import('uqr').then(({ encode }) => setCells(encode(text, { border: 2 }).data));
  }, [text]);
  const path = cells.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : []))).join('');
  return (
    <svg class="qr" role="img" aria-label={label} viewBox={`0 0 ${cells.length || 1} ${cells.length || 1}`}>
      <path d={path} />
    </svg>
  );
}

/** Without a secure context there is no clipboard; then the link is selected, for the person to copy. */
export function CopyLink({ link, label, button }: { link: string; label?: string; button?: string }) {
  const [copied, setCopied] = useState(false);
  const box = useRef<HTMLInputElement>(null);
  const copy = async () => {
    box.current?.select();
    try {
      if (navigator.clipboard) await navigator.clipboard.writeText(link);
      else if (!document.execCommand('copy')) return;
      setCopied(true);
    } catch {
      setCopied(false);
    }
  };
  return (
    <div class="copy">
      <input ref={box} readOnly value={link} aria-label={label ?? words.value.copyLink} onFocus={(event) => event.currentTarget.select()} />
      <button type="button" onClick={() => void copy()}>
        {button ?? words.value.copyLink}
      </button>
      <span role="status">{copied ? words.value.copied : ''}</span>
    </div>
  );
}
