// How many messages are drawn at a time while one scrolls: as many as this device does between two frames. What must not live here:
// which they are (window.ts).

const MOST_AT_A_TIME = 8;
/** Fewer are not quicker: half of what a step takes it takes for one, too. */
const LEAST = 4;
/** What a step may take of a frame; and so little that the next may be larger. */
const LONG_MS = 14;
const SHORT_MS = 6;

/** Until it is known how fast it is here. */
let step = LEAST;

export const stepNow = (): number => step;

/** What the last one took. */
export function pace(ms: number): void {
  if (ms > LONG_MS) step = Math.max(LEAST, step >> 1);
  else if (ms < SHORT_MS) step = Math.min(MOST_AT_A_TIME, step + 1);
}
