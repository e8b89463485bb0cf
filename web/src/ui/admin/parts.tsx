// What the pages of settings are made of: a page, a table that becomes cards on a phone, a question before an act, figures,
// switches. What must not live here: a page's own words, and what is asked of the server.
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { desk } from '../../i18n/desk';
import { explained, words } from '../../i18n';
import { Window } from '../dialogs';
import { go } from '../route';

/** A way to another page of this client. */
export function Link({ to, children, class: look, current }: { to: string; children: ComponentChildren; class?: string; current?: boolean }) {
  const follow = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a class={look} href={to} aria-current={current ? 'page' : undefined} onClick={follow}>
      {children}
    </a>
  );
}

/** A page's head and what is in it; the heading takes the focus, so that it is read when one comes. */
export function Page({ title, back, lead, actions, children }: { title: string; back: string; lead?: ComponentChildren; actions?: ComponentChildren; children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · ${words.value.app}`;
  }, [title]);
  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <>
      <header class="page-head">
        <Link to={back} class="back">
          <span aria-hidden="true">‹</span>
          <span class="unseen">{desk.value.back}</span>
        </Link>
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        <div class="page-actions">{actions}</div>
      </header>
      <div class="page-body">
        {lead && <p class="lead">{lead}</p>}
        {children}
      </div>
    </>
  );
}

export function Part({ title, hint, children }: { title: string; hint?: ComponentChildren; children?: ComponentChildren }) {
  const id = useId();
  return (
    <section class="part" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {hint && <p class="hint">{hint}</p>}
      {children}
    </section>
  );
}

export interface Load<T> {
  value: T | undefined;
  wrong: string;
  again: () => void;
  put: (value: T) => void;
}

/** What a page shows, asked for when it comes and when `on` changes. An answer that comes too late is dropped. */
export function useLoad<T>(load: () => Promise<T>, on: readonly unknown[] = []): Load<T> {
  const [value, setValue] = useState<T>();
  const [wrong, setWrong] = useState('');
  const [tries, setTries] = useState(0);
  useEffect(() => {
    let late = false;
    setWrong('');
    load()
      .then((found) => late || setValue(() => found))
      .catch((error: unknown) => late || setWrong(explained(error)));
    return () => {
      late = true;
    };
  }, [tries, ...on]);
  return { value, wrong, again: () => setTries((n) => n + 1), put: (next) => setValue(() => next) };
}

/** The value once it is there; until then a word, and where it does not come why, with another try. */
export function Loaded<T>({ from, children }: { from: Load<T>; children: (value: T) => ComponentChildren }) {
  if (from.wrong) {
    return (
      <div class="trouble" role="alert">
        <p>{from.wrong}</p>
        <button type="button" onClick={from.again}>
          {desk.value.retry}
        </button>
      </div>
    );
  }
  if (from.value === undefined) return <p class="hint loading" role="status">{desk.value.working}</p>;
  return <>{children(from.value)}</>;
}

export interface Column<Row> {
  name: string;
  of: (row: Row) => ComponentChildren;
  /** The one that names the row. */
  head?: boolean;
  number?: boolean;
}

/** Rows on a desktop, cards on a phone. */
export function Table<Row>({ label, columns, rows, keyOf, empty }: { label: string; columns: readonly Column<Row>[]; rows: readonly Row[]; keyOf: (row: Row) => string | number; empty: ComponentChildren }) {
  if (!rows.length) return <p class="nothing">{empty}</p>;
  // Shown as blocks on a phone it would be no table to a screen reader any more: the roles are said.
  return (
    <table class="rows" role="table" aria-label={label}>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map((column) => (
            <th key={column.name} scope="col" role="columnheader" class={column.number ? 'number' : undefined}>
              {column.name || <span class="unseen">{desk.value.actions}</span>}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr role="row" key={keyOf(row)}>
            {columns.map((column) => {
              const look = [column.number && 'number', column.head && 'first'].filter(Boolean).join(' ') || undefined;
              const Cell = column.head ? 'th' : 'td';
              return (
                <Cell key={column.name} class={look} role={column.head ? 'rowheader' : 'cell'} data-label={column.name}>
                  {column.of(row)}
                </Cell>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Older and newer pages of a list that the server gives in pages; only one is in the document. */
export function Pager({ back, on }: { back?: (() => void) | undefined; on?: (() => void) | undefined }) {
  if (!back && !on) return null;
  return (
    <p class="pager">
      <button type="button" disabled={!back} onClick={back}>
        {desk.value.previous}
      </button>
      <button type="button" disabled={!on} onClick={on}>
        {desk.value.next}
      </button>
    </p>
  );
}

interface Question {
  title: string;
  /** What will happen. */
  lead: ComponentChildren;
  /** What the button says. */
  act: string;
  go: () => Promise<void>;
  close: () => void;
  danger?: boolean;
  /** Has to be typed, where there is no way back. */
  typed?: string;
  children?: ComponentChildren;
}

/** Asks once before an act, and says what went wrong with it. */
export function Confirm({ title, lead, act, go: run, close, danger, typed, children }: Question) {
  const [word, setWord] = useState('');
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState('');
  const ready = typed === undefined || word.trim() === typed;
  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy || !ready) return;
    setBusy(true);
    setWrong('');
    try {
      await run();
      close();
    } catch (error) {
      setWrong(explained(error));
      setBusy(false);
    }
  };
  return (
    <Window title={title} close={close}>
      <form onSubmit={submit}>
        <div class="said-before">{lead}</div>
        {children}
        {typed !== undefined && <Text label={desk.value.typeName(typed)} value={word} set={setWord} />}
        <p class="wrong" role="alert">
          {wrong}
        </p>
        <div class="choices">
          <button type="submit" class={danger ? 'main danger' : 'main'} aria-disabled={busy || !ready}>
            {busy ? desk.value.working : act}
          </button>
          <button type="button" onClick={close}>
            {desk.value.cancel}
          </button>
        </div>
      </form>
    </Window>
  );
}

export interface TextProps {
  label: string;
  value: string;
  set: (value: string) => void;
  hint?: ComponentChildren;
  type?: 'text' | 'password' | 'number' | 'time' | 'date' | 'search' | 'datetime-local';
  max?: number;
  min?: number;
  maxLength?: number;
  autocomplete?: string;
}

/** A field that may stay empty. */
export function Text({ label, value, set, hint, type = 'text', maxLength, autocomplete = 'off', min, max }: TextProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input id={id} {...({ type } as { type: 'text' })} value={value} min={min} max={max} maxLength={maxLength} autocomplete={autocomplete} spellcheck={false} aria-describedby={hint ? `${id}-hint` : undefined} onInput={(event) => set(event.currentTarget.value)} />
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

export function Select<T extends string>({ label, value, set, options, hint }: { label: string; value: T; set: (value: T) => void; options: readonly (readonly [T, string])[]; hint?: string }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} aria-describedby={hint ? `${id}-hint` : undefined} onChange={(event) => set(event.currentTarget.value as T)}>
        {options.map(([name, shown]) => (
          <option key={name} value={name} selected={name === value}>
            {shown}
          </option>
        ))}
      </select>
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

/** One of a few, all of them seen at once. */
export function Choice<T extends string>({ legend, value, set, options }: { legend: string; value: T; set: (value: T) => void; options: readonly (readonly [T, string, string?])[] }) {
  const name = useId();
  return (
    <fieldset class="choice">
      <legend>{legend}</legend>
      {options.map(([one, shown, hint]) => (
        <label key={one}>
          <input type="radio" name={name} checked={one === value} onChange={() => set(one)} />
          <span>
            {shown}
            {hint && <small>{hint}</small>}
          </span>
        </label>
      ))}
    </fieldset>
  );
}

/** On or off, at once. */
export function Switch({ label, hint, on, set }: { label: string; hint?: string; on: boolean; set: (on: boolean) => void }) {
  return (
    <label class="switch">
      <input type="checkbox" role="switch" checked={on} onChange={(event) => set(event.currentTarget.checked)} />
      <span>
        {label}
        {hint && <small>{hint}</small>}
      </span>
    </label>
  );
}

export type Tone = 'plain' | 'good' | 'watch' | 'bad';

/** A figure with its name; a bar where there is a whole that it is a part of. */
export function Figure({ name, value, note, tone = 'plain', share }: { name: string; value: ComponentChildren; note?: ComponentChildren; tone?: Tone; share?: number | undefined }) {
  return (
    <div class={`figure ${tone}`}>
      <dt>{name}</dt>
      <dd>
        <strong>{value}</strong>
        {share !== undefined && <Bar share={share} />}
        {note && <small>{note}</small>}
      </dd>
    </div>
  );
}

/** Its length says all that the number beside it says. */
export function Bar({ share }: { share: number }) {
  const width = Math.max(0, Math.min(100, share * 100));
  return (
    <svg class="bar" aria-hidden="true" viewBox="0 0 100 4" preserveAspectRatio="none">
      <rect class="whole" width="100" height="4" />
      <rect class={share > 0.9 ? 'part over' : 'part'} width={width} height="4" />
    </svg>
  );
}

/** What happened last, said by a screen reader, too. */
export function Said({ text }: { text: string }) {
  return (
    <p class="said-after" role="status">
      {text}
    </p>
  );
}

/** Runs what a button asks for, one at a time, and keeps what went wrong. */
export function useAct(): { busy: boolean; wrong: string; run: (work: () => Promise<void>) => Promise<void> } {
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState('');
  const run = async (work: () => Promise<void>) => {
    if (busy) return;
    setBusy(true);
    setWrong('');
    try {
      await work();
    } catch (error) {
      setWrong(explained(error));
    } finally {
      setBusy(false);
    }
  };
  return { busy, wrong, run };
}
