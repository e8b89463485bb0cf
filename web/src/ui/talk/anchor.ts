// Keeps what one looks at where it is, whatever comes before or after; or the newest in sight, for who is there already. What
// must not live here: what is shown.
import type { RefObject } from 'preact';
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';

const AT_BOTTOM = 48;
/** From the top, for what one is led to. */
const LED = 0.2;

export interface Anchor {
  /** Where one is now; asked at each scroll. */
  look: () => void;
  /** The newest is in sight. */
  stick: () => boolean;
  /** As soon as it is in the page it is led to: a selector. */
  lead: (to: string) => void;
  toBottom: () => void;
  /** Something in it, or it itself, became larger or smaller. */
  settle: () => void;
}

/** `atEnd`: the newest is in the page, so its bottom is the bottom. */
export function useAnchor(box: RefObject<HTMLDivElement | null>, atEnd: boolean, marks: unknown[]): Anchor {
  const state = useRef({ stick: true, seq: 0, top: 0, height: 0, lead: '', atEnd });
  const atBottom = (el: HTMLElement) => state.current.atEnd && el.scrollHeight - el.scrollTop - el.clientHeight < AT_BOTTOM;
  const look = () => {
    const el = box.current;
    if (!el) return;
    // When the box itself became smaller, nobody has scrolled away.
    if (el.clientHeight === state.current.height) state.current.stick = atBottom(el);
    const first = firstInSight(el);
    Object.assign(state.current, {
      height: el.clientHeight,
      seq: Number(first?.dataset.seq ?? 0),
      top: first ? first.offsetTop - el.scrollTop : 0,
    });
  };
  const settle = () => {
    const el = box.current;
    if (!el) return;
    const { stick, seq, top } = state.current;
    const same = stick && !document.hidden ? null : el.querySelector<HTMLElement>(`[data-seq="${seq}"]`);
    if (stick && !document.hidden) el.scrollTop = el.scrollHeight;
    else if (same) el.scrollTop = same.offsetTop - top;
  };
  // Before anything is changed: a scroll that was not told of yet counts, too.
  useMemo(look, marks);
  useLayoutEffect(() => {
    const el = box.current;
    if (!el) return;
    const { lead } = state.current;
    // Only now: who was at the end of a page that was not the newest is not to be taken to the end of the newest.
    state.current.atEnd = atEnd;
    // What one is led to is in the first page that comes, or not at all.
    if (el.querySelector('[data-seq]')) state.current.lead = '';
    if (lead && ledTo(el, lead)) state.current.stick = atBottom(el);
    else settle();
    state.current.height = el.clientHeight;
  }, marks);
  return {
    look,
    stick: () => state.current.stick,
    lead: (to) => {
      const el = box.current;
      if (el && ledTo(el, to)) look();
      else state.current.lead = to;
    },
    settle,
    toBottom: () => {
      state.current.stick = true;
      const el = box.current;
      if (el) el.scrollTop = el.scrollHeight;
    },
  };
}

function ledTo(el: HTMLElement, to: string): boolean {
  const goal = el.querySelector<HTMLElement>(to);
  if (goal) el.scrollTop = goal.offsetTop - el.clientHeight * LED;
  return goal !== null;
}

/** The rows lie one below the other, so half of them can be passed over at each look. */
function firstInSight(el: HTMLElement): HTMLElement | undefined {
  const rows = el.querySelectorAll<HTMLElement>('[data-seq]');
  let low = 0;
  let high = rows.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    const row = rows[middle]!;
    if (row.offsetTop + row.offsetHeight > el.scrollTop) high = middle;
    else low = middle + 1;
  }
  return rows[low];
}

/** The newest message that is wholly in sight, and what was above it. */
export function lastInSight(el: HTMLElement): number {
  const rows = el.querySelectorAll<HTMLElement>('[data-seq]');
  const end = el.scrollTop + el.clientHeight + 2;
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const row = rows[middle]!;
    if (row.offsetTop + row.offsetHeight <= end) low = middle + 1;
    else high = middle;
  }
  return Number(rows[low - 1]?.dataset.seq ?? 0);
}
