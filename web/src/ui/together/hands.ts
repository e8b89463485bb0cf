// What hands do to a message: the pointer over it, a long press, a swipe, the keyboard. What must not live here: what is then
// offered, which is fetched at the first touch (menu.tsx).
import { some } from '../../engine/look';
import type { Entry } from '../../engine/records';
import { engine } from '../state';
import { typed } from './typed';
import { answer, choose, chosen, may, openThread, placeFor } from './acts';

const PRESS_MS = 450;
const SWIPE = 64;
const SLOP = 10;

const coarse = () => matchMedia('(pointer: coarse)').matches;
const messageOf = (target: EventTarget | null) => (target instanceof Element ? target.closest<HTMLElement>('.message[data-seq]') : null);
const menu = () => import('./menu');

/** The entry that an element shows. */
export async function entryOf(el: HTMLElement): Promise<Entry | undefined> {
  const conversation = el.closest<HTMLElement>('[data-conversation]')?.dataset.conversation;
  const seq = Number(el.dataset.seq);
  if (!conversation || !seq) return undefined;
  return (await some(engine(), conversation, [seq]).catch(() => undefined))?.get(seq);
}

async function openMenu(el: HTMLElement, at?: { x: number; y: number }): Promise<void> {
  const [entry, { openMenu: open }] = await Promise.all([entryOf(el), menu()]);
  if (entry?.event.kind === 'message') open(entry, el, at);
}

function over(event: PointerEvent): void {
  if (event.pointerType !== 'mouse') return;
  const el = messageOf(event.target);
  if (el && !el.querySelector('.bar')) void menu().then(({ showBar }) => el.matches(':hover') && showBar(el));
}

function context(event: MouseEvent): void {
  const el = messageOf(event.target);
  // A link's own menu, and that of what is selected, stay the browser's.
  const own = event.target instanceof Element && event.target.closest('a, img, video, audio, input, textarea');
  if (!el || own || (!coarse() && !getSelection()?.isCollapsed)) return;
  event.preventDefault();
  void openMenu(el, { x: event.clientX, y: event.clientY });
}

/** Arrows go from message to message, a letter does something with the one where one is. */
function key(event: KeyboardEvent): void {
  if (event.key === 'Tab' && event.shiftKey && !event.defaultPrevented) return toMessages(event);
  const el = messageOf(event.target);
  const log = event.target instanceof Element ? event.target.closest<HTMLElement>('[role="log"]') : null;
  if (!log || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target !== log && event.target !== el && !['ArrowUp', 'ArrowDown', 'Escape'].includes(event.key)) return;
  if (event.key === 'ArrowUp' || event.key === 'ArrowDown') {
    event.preventDefault();
    step(log, el, event.key === 'ArrowUp' ? -1 : 1);
  } else if (el) act(event, el);
}

/** From where one writes, past the buttons in between, which come again on the way back. */
function toMessages(event: KeyboardEvent): void {
  const writes = event.target instanceof Element && event.target.matches('.composer textarea') ? event.target : undefined;
  const log = writes?.closest('.talk, .side')?.querySelector<HTMLElement>('[role="log"]');
  if (!log?.querySelector('.message[data-seq]')) return;
  event.preventDefault();
  step(log, null, -1);
}

function step(log: HTMLElement, el: HTMLElement | null, by: number): void {
  const all = [...log.querySelectorAll<HTMLElement>('.message[data-seq]')];
  const at = el ? all.indexOf(el) + by : all.length - 1;
  const next = all[Math.max(0, at)];
  if (next) {
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: 'nearest' });
  } else writeBox(log)?.focus();
}

/** The way back to where one writes. */
function writeBox(near: Element): HTMLElement | null {
  return (near.closest('.talk, .side') ?? document).querySelector<HTMLElement>('.composer textarea');
}

const LETTERS: Record<string, (entry: Entry, el: HTMLElement) => void> = {
  r: (entry, el) => may(entry).reply && answer(placeFor(entry, el), { entry, edit: false }),
  e: (entry, el) => may(entry).edit && answer(placeFor(entry, el), { entry, edit: true }),
  t: (entry) => may(entry).thread && openThread(entry),
  '+': (entry, el) => may(entry).react && void menu().then(({ openReactions }) => openReactions(entry, el)),
};

function act(event: KeyboardEvent, el: HTMLElement): void {
  if (event.key === 'ContextMenu' || event.key === 'Enter' || (event.key === 'F10' && event.shiftKey)) {
    event.preventDefault();
    void openMenu(el);
  } else if (event.key === 'Escape') writeBox(el)?.focus();
  else {
    const letter = LETTERS[event.key];
    if (!letter) return;
    event.preventDefault();
    void entryOf(el).then((entry) => entry && letter(entry, el));
  }
}

/** A finger on a message: held still it opens the menu, drawn to the right it answers. */
let finger: { el: HTMLElement; x: number; y: number; timer: ReturnType<typeof setTimeout>; swiping: boolean; done: boolean } | undefined;

function down(event: TouchEvent): void {
  lift();
  const [touch, more] = Array.from(event.touches);
  const el = messageOf(event.target);
  const busy = event.target instanceof Element && event.target.closest('button, a, pre, input, audio, video');
  if (!touch || more || !el || busy) return;
  const pressed = () => {
    if (!finger || finger.swiping) return;
    finger.done = true;
    void openMenu(el);
  };
  finger = { el, x: touch.clientX, y: touch.clientY, timer: setTimeout(pressed, PRESS_MS), swiping: false, done: false };
}

function draw(event: TouchEvent): void {
  const [touch] = Array.from(event.touches);
  if (!finger || !touch) return;
  const x = touch.clientX - finger.x;
  const y = touch.clientY - finger.y;
  if (Math.hypot(x, y) > SLOP) clearTimeout(finger.timer);
  if (!finger.swiping && x > SLOP && x > Math.abs(y) * 2) finger.swiping = true;
  if (finger.swiping) finger.el.style.transform = `translateX(${Math.min(Math.max(x, 0), SWIPE * 1.25)}px)`;
  else if (Math.abs(y) > SLOP) lift();
}

function up(event: TouchEvent): void {
  const { el, x, swiping, done } = finger ?? {};
  const [touch] = Array.from(event.changedTouches);
  lift();
  if (done && event.cancelable) event.preventDefault();
  if (el && swiping && touch && touch.clientX - (x ?? 0) >= SWIPE)
    void entryOf(el).then((entry) => entry && may(entry).reply && answer(placeFor(entry, el), { entry, edit: false }));
}

function lift(): void {
  if (!finger) return;
  clearTimeout(finger.timer);
  finger.el.style.removeProperty('transform');
  finger = undefined;
}

/** Where `interactive-widget` is not known the soft keyboard lies over the page: the page then ends above it. */
function keyboard(): void {
  const seen = window.visualViewport;
  if (!seen) return;
  const fit = () => {
    const covered = window.innerHeight - seen.height > 80 && seen.scale < 1.05;
    if (covered) document.documentElement.style.setProperty('--seen', `${seen.height}px`);
    else document.documentElement.style.removeProperty('--seen');
    if (covered) window.scrollTo(0, 0);
  };
  seen.addEventListener('resize', fit);
}

/** A tap selects while messages are selected; at the foot of a message, on a touch screen, it opens the menu. */
function tap(event: MouseEvent): void {
  const el = messageOf(event.target);
  if (!el || !(event.target instanceof Element)) return;
  const selecting = chosen.value?.conversation === el.closest<HTMLElement>('[data-conversation]')?.dataset.conversation;
  if (selecting && !event.target.closest('.bar, dialog')) {
    event.preventDefault();
    event.stopPropagation();
    void entryOf(el).then((entry) => entry && !entry.erased && choose(entry));
  } else if (coarse() && event.target.closest('.message > footer') && !event.target.closest('button')) void openMenu(el);
}

export function lendHands(): void {
  document.addEventListener('click', tap, true);
  document.addEventListener('pointerover', over);
  document.addEventListener('contextmenu', context);
  document.addEventListener('keydown', key);
  document.addEventListener('keydown', typed);
  document.addEventListener('touchstart', down, { passive: true });
  document.addEventListener('touchmove', draw, { passive: true });
  document.addEventListener('touchend', up);
  document.addEventListener('touchcancel', lift);
  keyboard();
}
