// What is offered for a message: a small bar under the pointer, and the whole menu. What must not live here: what hands do to ask
// for it (hands.ts), and the deeds themselves (acts.ts).
import { signal } from '@preact/signals';
import { type ComponentChildren, render } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Entry } from '../../engine/records';
import { explained, words } from '../../i18n';
import { more } from '../../i18n/together-more';
import { engine } from '../state';
import { answer, choose, copy, linkTo, may, openThread, passing, pin, placeFor, react, recall, reporting, tell } from './acts';
import { entryOf } from './hands';
import { nameIn } from './members';
import { Icon } from './icons';
import { asWritten } from './copying';
import { Picker } from './picker';
import { isPinned } from './pins';
import { recent, used } from './recent';
import { saved } from './pending';
import './together.css';

type At = { x: number; y: number };
const opened = signal<{ entry: Entry; el: HTMLElement; at?: At; reactions?: boolean } | undefined>(undefined);

/** Its own root: a menu lies over whatever page there is. */
const place = document.createElement('div');
document.body.append(place);
render(<Opened />, place);

export function openMenu(entry: Entry, el: HTMLElement, at?: At): void {
  opened.value = { entry, el, ...(at ? { at } : {}) };
}
export function openReactions(entry: Entry, el: HTMLElement): void {
  opened.value = { entry, el, reactions: true };
}

function Opened() {
  const now = opened.value;
  return now ? <Menu key={`${now.entry.seq} ${now.reactions === true}`} {...now} /> : null;
}

const isPhone = () => matchMedia('(max-width: 44rem), (pointer: coarse)').matches;

function Menu({ entry, el, at, reactions }: { entry: Entry; el: HTMLElement; at?: At; reactions?: boolean }) {
  const box = useRef<HTMLDialogElement>(null);
  /** Where what was chosen leads the focus itself, it is not led back. */
  const led = useRef(false);
  const shut = (leads = false) => {
    led.current = leads;
    box.current?.close();
  };
  useLayoutEffect(() => {
    const dialog = box.current!;
    dialog.showModal();
    if (!isPhone()) put(dialog, at ?? beside(el));
    (dialog.querySelector<HTMLElement>('input') ?? dialog.querySelector<HTMLElement>('[role="menuitem"]'))?.focus();
  }, []);
  const closed = () => {
    opened.value = undefined;
    if (!led.current) el.focus({ preventScroll: true });
  };
  const outside = (event: MouseEvent) => event.target === box.current && shut();
  const name = nameIn(entry.conversation, entry.event.by);
  return (
    <dialog ref={box} class={reactions ? 'sheet-menu picking' : 'sheet-menu'} aria-label={more.value.menu(name)} onClose={closed} onClick={outside}>
      {reactions ? (
        <Picker
          close={() => shut()}
          choose={(emoji) => {
            void react(entry, emoji);
            shut();
          }}
        />
      ) : (
        <Items entry={entry} el={el} shut={shut} />
      )}
    </dialog>
  );
}

/** Beside the message's end, where the bar is. */
function beside(el: HTMLElement): At {
  const { right, top } = el.getBoundingClientRect();
  return { x: right - 24, y: top + 8 };
}

function put(dialog: HTMLElement, { x, y }: At): void {
  const { width, height } = dialog.getBoundingClientRect();
  dialog.style.left = `${Math.max(8, Math.min(x, innerWidth - width - 8))}px`;
  dialog.style.top = `${Math.max(8, Math.min(y, innerHeight - height - 8))}px`;
}

/** Arrows go through a menu, round and round. */
function arrows(event: KeyboardEvent): void {
  const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  const items = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>('[role="menuitem"]')];
  const now = items.indexOf(document.activeElement as HTMLElement);
  const next = event.key === 'Home' ? 0 : event.key === 'End' ? items.length - 1 : by === undefined ? undefined : (now + by + items.length) % items.length;
  if (next === undefined) return;
  event.preventDefault();
  items[next]?.focus();
}

function Item({ go, warn, children }: { go: () => void; warn?: boolean; children: ComponentChildren }) {
  return <button type="button" role="menuitem" tabIndex={-1} class={warn ? 'warn' : undefined} onClick={go}>{children}</button>;
}

async function copyNow(text: string): Promise<void> {
  tell((await copy(text)) ? more.value.copied : more.value.notCopied);
}

/** What is refused is said; without a line it holds here at once. */
async function set(entry: Entry, key: 'hidden' | 'saved', on: boolean): Promise<void> {
  const about = { key, conversation: entry.conversation, seq: entry.seq };
  await engine()
    .set(on ? { ...about, value: true } : about)
    .catch((error: unknown) => tell(explained(error)));
}

function Items({ entry, el, shut }: { entry: Entry; el: HTMLElement; shut: (led?: boolean) => void }) {
  const can = may(entry);
  const word = more.value;
  const isSaved = saved.value.has(`${entry.conversation}/${entry.seq}`);
  const pinned = isPinned(entry);
  const then = (deed: () => unknown, leads = false) => () => {
    shut(leads);
    void deed();
  };
  const writes = (edit: boolean) => then(() => answer(placeFor(entry, el), { entry, edit }), true);
  const text = asWritten(entry);
  return (
    <div role="menu" aria-label={word.menu(nameIn(entry.conversation, entry.event.by))} onKeyDown={arrows}>
      {can.react && (
        <div class="quick" role="group" aria-label={word.react}>
          {recent.value.slice(0, 6).map((emoji) => (
            <button key={emoji} type="button" role="menuitem" tabIndex={-1} aria-label={word.reactWith(emoji)} onClick={then(() => (used(emoji), react(entry, emoji)))}>{emoji}</button>
          ))}
          <button type="button" role="menuitem" tabIndex={-1} aria-label={word.moreReactions} onClick={() => openReactions(entry, el)}>＋</button>
        </div>
      )}
      {can.reply && <Item go={writes(false)}>{word.reply}</Item>}
      {can.thread && <Item go={then(() => openThread(entry), true)}>{word.thread}</Item>}
      {can.edit && <Item go={writes(true)}>{word.edit}</Item>}
      {text && <Item go={then(() => copyNow(text))}>{word.copy}</Item>}
      <Item go={then(() => copyNow(linkTo(entry)))}>{word.link}</Item>
      {can.forward && <Item go={then(() => (passing.value = [entry]), true)}>{word.forward}</Item>}
      {can.pin && <Item go={then(() => pin(entry, !pinned))}>{pinned ? word.unpin : word.pin}</Item>}
      {(!entry.erased || isSaved) && <Item go={then(() => set(entry, 'saved', !isSaved))}>{isSaved ? word.unsave : word.save}</Item>}
      {!entry.erased && <Item go={then(() => choose(entry))}>{word.select}</Item>}
      {can.report && <Item go={then(() => (reporting.value = entry), true)}>{word.report}</Item>}
      <Item warn go={then(() => set(entry, 'hidden', true))}>{word.hide}</Item>
      {can.recall && <Item warn go={then(() => recall(entry))}>{word.recall}</Item>}
      <Item go={() => shut()}>{words.value.close}</Item>
    </div>
  );
}

/** Under the pointer only: a page of hundreds of messages has one of them. It goes with its message when that is scrolled. */
const bar = document.createElement('div');
bar.className = 'bar';

export function showBar(el: HTMLElement): void {
  el.append(bar);
  void entryOf(el).then((entry) => {
    if (bar.parentElement !== el) return;
    render(entry?.event.kind === 'message' ? <Bar key={entry.seq} entry={entry} el={el} /> : null, bar);
  });
  el.addEventListener('pointerleave', () => bar.parentElement === el && bar.remove(), { once: true });
}

function Bar({ entry, el }: { entry: Entry; el: HTMLElement }) {
  const can = may(entry);
  const word = more.value;
  const button = (label: string, mark: ComponentChildren, go: () => void) => (
    <button key={label} type="button" tabIndex={-1} aria-label={label} title={label} onClick={go}>
      <span aria-hidden="true">{mark}</span>
    </button>
  );
  return (
    <>
      {can.react && recent.value.slice(0, 3).map((emoji) => button(word.reactWith(emoji), emoji, () => void react(entry, emoji)))}
      {can.react && button(word.moreReactions, <Icon of="emoji" />, () => openReactions(entry, el))}
      {can.reply && button(word.reply, <Icon of="reply" />, () => answer(placeFor(entry, el), { entry, edit: false }))}
      {can.thread && button(word.thread, <Icon of="thread" />, () => openThread(entry))}
      {button(word.more, '⋯', () => openMenu(entry, el))}
    </>
  );
}
