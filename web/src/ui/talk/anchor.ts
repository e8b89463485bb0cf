// Keeps what one looks at where it is, whatever comes before or after; or the newest in sight, for who is there already. What
// must not live here: what is shown.
import type { RefObject } from 'preact';
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import type { Place } from './places';

const AT_BOTTOM = 48;
/** From the top, for what one is led to. */
const LED = 0.2;

export interface Anchor {
  /** Where one is now; asked at each scroll. */
  look: () => void;
  /** The newest is in sight. */
  stick: () => boolean;
  /** As soon as it is in the page it is led to: a selector; and how far below the upper edge it is to stand, else a little. */
  lead: (to: string, top?: number) => void;
  /** What one looks at, unless that is the newest. */
  place: () => Place | undefined;
  toBottom: () => void;
  /** Something in it, or it itself, became larger or smaller. */
  settle: () => void;
}

/** `atEnd`: the newest is in the page, so its bottom is the bottom. */
export function useAnchor(box: RefObject<HTMLDivElement | null>, atEnd: boolean, marks: unknown[]): Anchor {
  /** `at`: where it was scrolled to from here. As long as it is there, nobody has scrolled, and rounding does not add up. */
  const state = useRef({ stick: true, seq: 0, top: 0, height: 0, lead: '', leadTop: undefined as number | undefined, at: Number.NaN, atEnd });
  const atBottom = (el: HTMLElement) => state.current.atEnd && el.scrollHeight - el.scrollTop - el.clientHeight < AT_BOTTOM;
  const look = () => {
    const el = box.current;
    if (!el) return;
    // When the box itself became smaller, nobody has scrolled away.
    if (el.clientHeight === state.current.height) state.current.stick = atBottom(el);
    const here = el.scrollTop === state.current.at && el.clientHeight === state.current.height;
    if (here) return;
    // Who scrolls meanwhile is not led any more.
    if (!Number.isNaN(state.current.at)) state.current.lead = '';
    const first = firstInSight(el);
    Object.assign(state.current, {
      height: el.clientHeight,
      seq: Number(first?.dataset.seq ?? 0),
      top: first ? topIn(el, first) : 0,
    });
  };
  const settle = () => {
    const el = box.current;
    if (!el) return;
    const { stick, seq, top } = state.current;
    state.current.at = Number.NaN;
    const same = stick && !document.hidden ? null : el.querySelector<HTMLElement>(`[data-seq="${seq}"]`);
    if (stick && !document.hidden) el.scrollTop = el.scrollHeight;
    else if (same) {
      el.scrollTop += topIn(el, same) - top;
      state.current.at = el.scrollTop;
    }
  };
  /** Where too little lies below it yet, it is led to once more when that has come. */
  const onceMore = (el: HTMLElement, lead: string, leadTop: number | undefined) => {
    const goal = el.querySelector<HTMLElement>(lead);
    const there = leadTop === undefined || !goal || Math.abs(topIn(el, goal) - leadTop) <= 1;
    state.current.at = Number.NaN;
    look();
    if (!there && !state.current.atEnd) Object.assign(state.current, { lead, leadTop, at: el.scrollTop });
  };
  // Before anything is changed: a scroll that was not told of yet counts, too.
  useMemo(look, marks);
  useLayoutEffect(() => {
    const el = box.current;
    if (!el) return;
    const { lead, leadTop } = state.current;
    // Only now: who was at the end of a page that was not the newest is not to be taken to the end of the newest.
    state.current.atEnd = atEnd;
    // What one is led to is in the first page that comes, or not at all.
    if (el.querySelector('[data-seq]')) state.current.lead = '';
    if (lead && ledTo(el, lead, leadTop)) {
      state.current.stick = atBottom(el);
      onceMore(el, lead, leadTop);
    } else settle();
    state.current.height = el.clientHeight;
  }, marks);
  return {
    look,
    stick: () => state.current.stick,
    lead: (to, top) => {
      const el = box.current;
      if (el && ledTo(el, to, top)) onceMore(el, to, top);
      else Object.assign(state.current, { lead: to, leadTop: top });
    },
    place: () => {
      const { stick, seq, top } = state.current;
      return stick || !seq ? undefined : { seq, top };
    },
    settle,
    toBottom: () => {
      state.current.stick = true;
      const el = box.current;
      if (el) el.scrollTop = el.scrollHeight;
    },
  };
}

function ledTo(el: HTMLElement, to: string, top = el.clientHeight * LED): boolean {
  const goal = el.querySelector<HTMLElement>(to);
  if (goal) el.scrollTop += topIn(el, goal) - top;
  return goal !== null;
}

/** How far below the upper edge of what one sees something begins, whatever lies between it and the box. */
export const topIn = (box: HTMLElement, el: HTMLElement): number => el.getBoundingClientRect().top - box.getBoundingClientRect().top;

/** The first for which it holds, of what is so ordered that it then holds for all that follow: half of them are passed over at each look. */
function firstOf<El extends Element>(all: ArrayLike<El>, holds: (el: El) => boolean): number {
  let low = 0;
  let high = all.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(all[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}

const rowsIn = (part: Element) => [...(part.matches('[data-seq]') ? [part as HTMLElement] : []), ...part.querySelectorAll<HTMLElement>('[data-seq]')];
const bottomOf = (el: Element) => el.getBoundingClientRect().bottom;

/** Looked for among the blocks, which are few, and then in one of them. */
function firstInSight(el: HTMLElement): HTMLElement | undefined {
  const { top } = el.getBoundingClientRect();
  const parts = el.firstElementChild?.children ?? [];
  for (let at = firstOf(parts, (part) => bottomOf(part) > top); at < parts.length; at += 1) {
    const rows = rowsIn(parts[at]!);
    const row = rows[firstOf(rows, (one) => bottomOf(one) > top)];
    if (row) return row;
  }
  return undefined;
}

/** The newest message that is wholly in sight, and what was above it. */
export function lastInSight(el: HTMLElement): number {
  const end = el.getBoundingClientRect().top + el.clientHeight + 2;
  const parts = el.firstElementChild?.children ?? [];
  for (let at = Math.min(firstOf(parts, (part) => bottomOf(part) > end), parts.length - 1); at >= 0; at -= 1) {
    const rows = rowsIn(parts[at]!);
    const row = rows[firstOf(rows, (one) => bottomOf(one) > end) - 1];
    if (row) return Number(row.dataset.seq);
  }
  return 0;
}
