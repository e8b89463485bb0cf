// Where days begin and end by the clock of who looks, also where that clock is changed twice a year. What must not live here:
// how days are called.

export const startOf = (ts: number) => new Date(ts).setHours(0, 0, 0, 0);
export const sameDay = (one: number, other: number) => startOf(one) === startOf(other);
export const isYesterday = (ts: number, now: number) => sameDay(ts, startOf(now) - 1);
/** Not a day after the last midnight: some days have 23 hours and some 25. */
export const nextMidnight = (now: number) => new Date(now).setHours(24, 0, 0, 0);
