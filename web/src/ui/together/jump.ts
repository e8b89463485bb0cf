// Going to a message: by a link, a quote, a search. What must not live here: which stretch of a conversation is in the page
// (window.ts).
import { signal } from '@preact/signals';
import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { some } from '../../engine/look';
import type { Entry } from '../../engine/records';
import { words } from '../../i18n';
import { go, route } from '../route';
import { engine, line } from '../state';
import type { Anchor } from '../talk/anchor';
import { cameFrom } from '../talk/places';
import type { View } from '../window';
import { tell } from './acts';

export const jumping = signal<{ conversation: string; seq: number; n: number } | undefined>(undefined);
const DRAWN_MS = 1_000;
let jumps = 0;
let landed = 0;

/** A message of a thread is shown there. On a phone what lies at the side would cover the message. */
export async function jump(conversation: string, seq: number): Promise<void> {
  const found = await some(engine(), conversation, [seq]).catch(() => new Map<number, Entry>());
  const event = found.get(seq)?.event;
  const at = route.value;
  const here = at.page === 'talk' && at.id === conversation;
  const covered = matchMedia('(max-width: 44rem)').matches;
  if (event?.kind === 'message' && event.thread && !event.also_send) go(`/c/${conversation}/${event.thread}#thread`);
  else if (!here || covered || at.side !== 'thread') go(`/c/${conversation}/${seq}${here && !covered ? location.hash : ''}`, here);
  jumping.value = { conversation, seq, n: ++jumps };
}

/** Brings the message that is wished into the page, leads to it, and makes it known. */
export function useJump(box: RefObject<HTMLDivElement | null>, id: string | undefined, view: View, { lead, place }: Pick<Anchor, 'lead' | 'place'>) {
  const at = route.value;
  const linked = at.page === 'talk' && at.id === id && at.side !== 'thread' ? at.seq : undefined;
  const asked = jumping.value?.conversation === id ? jumping.value : undefined;
  const due = useRef<number | undefined>(undefined);
  const arrive = () => {
    const to = `[data-seq="${due.current}"]`;
    const el = due.current === undefined ? null : box.current?.querySelector<HTMLElement>(to);
    if (!el) return;
    due.current = undefined;
    lead(to);
    el.focus({ preventScroll: true });
    flash(el);
  };
  useEffect(() => {
    if (id && linked && linked !== asked?.seq) jumping.value = { conversation: id, seq: linked, n: ++jumps };
  }, [id, linked]);
  const online = line.value === 'online' || line.value === 'fallback';
  useEffect(() => {
    if (!asked || asked.n === landed) return;
    const { n, seq } = asked;
    const from = view.entries.length ? place() : undefined;
    void view.to(seq).then((done) => {
      // What is not held has to wait for the line.
      if (n === landed || (!done && !online)) return;
      landed = n;
      due.current = seq;
      if (id && from) cameFrom.value = { conversation: id, place: from };
      arrive();
      // Drawn by then, if it is in what came.
      setTimeout(() => due.current === seq && tell(words.value.notHere), DRAWN_MS);
    });
  }, [id, asked?.n, online]);
  useLayoutEffect(arrive, [view.entries]);
}

export function flash(el: HTMLElement): void {
  el.classList.remove('found');
  // A class that comes back must be seen to have gone.
  void el.offsetWidth;
  el.classList.add('found');
  el.addEventListener('animationend', () => el.classList.remove('found'), { once: true });
}
