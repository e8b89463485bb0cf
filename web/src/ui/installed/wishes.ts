// Whether one wants to be told of a message now: by the level one chose and by one's quiet hours, as the server reckons it for
// push messages. What must not live here: telling.
import type { Kept, Notify, Quiet, Weekday } from '../../proto';

const WEEK: Weekday[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

export interface Occasion {
  conversation: string;
  /** In a direct conversation everything is meant for one. */
  direct: boolean;
  mentioned: boolean;
}

export function wants(settings: ReadonlyMap<string, Kept>, { conversation, direct, mentioned }: Occasion, now: number): boolean {
  const holds = (id: string) => {
    const notify = settings.get(id)?.value as Notify | undefined;
    return notify && (!notify.until || now < notify.until) ? notify : undefined;
  };
  const level = (holds(`notify:${conversation}`) ?? holds('notify:'))?.level ?? 'all';
  const wanted = level === 'all' || (level === 'mentions' && (mentioned || direct));
  const quiet = settings.get('quiet:')?.value as Quiet | undefined;
  return wanted && !(quiet && isQuiet(quiet, now));
}

/** By the clock on the wall there. A zone that this browser does not know has no quiet hours. */
export function isQuiet({ zone, hours }: Quiet, now: number): boolean {
  let parts: Intl.DateTimeFormatPart[];
  try {
    parts = new Intl.DateTimeFormat('en-GB', { timeZone: zone, weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).formatToParts(now);
  } catch {
    return false;
  }
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? '';
  const minute = Number(part('hour')) * 60 + Number(part('minute'));
  const day = WEEK.indexOf(part('weekday').toLowerCase() as Weekday);
  const today = WEEK[day]!;
  const yesterday = WEEK[(day + 6) % 7]!;
  return hours.some(({ days, from, to }) => {
    if (from < to) return days.includes(today) && from <= minute && minute < to;
    return (days.includes(today) && minute >= from) || (days.includes(yesterday) && minute < to);
  });
}
