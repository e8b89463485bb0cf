// Which language is spoken, and how days and times are written in it. What must not live here: the words.
import { computed, signal } from '@preact/signals';
import { isYesterday, sameDay } from './days';
import { en, type Words } from './en';
import { zh } from './zh';

const KEY = 'kinglet-language';
const ALL: Record<string, Words> = { en, zh };

function first(): string {
  const kept = localStorage.getItem(KEY);
  if (kept && kept in ALL) return kept;
  return navigator.languages.some((one) => one.startsWith('zh')) && !navigator.language.startsWith('en') ? 'zh' : 'en';
}

const language = signal(first());
export const words = computed(() => ALL[language.value] ?? en);

export function otherLanguage(): void {
  language.value = language.value === 'en' ? 'zh' : 'en';
  localStorage.setItem(KEY, language.value);
}

const format = (options: Intl.DateTimeFormatOptions) => computed(() => new Intl.DateTimeFormat(words.value.lang, options));
/** All by the same styles, so that a time of day is written in one way wherever it stands. */
const time = format({ timeStyle: 'short' });
const stamp = format({ dateStyle: 'medium', timeStyle: 'short' });
const day = format({ weekday: 'long', day: 'numeric', month: 'long' });
const dayOfYear = format({ year: 'numeric', month: 'long', day: 'numeric' });
const short = format({ day: 'numeric', month: 'short' });
const full = format({ dateStyle: 'full', timeStyle: 'medium' });

export const clock = (ts: number) => time.value.format(ts);
export const moment = (ts: number) => stamp.value.format(ts);
export const fullTime = (ts: number) => full.value.format(ts);
export const date = (ts: number) => dayOfYear.value.format(ts);

export function dayName(ts: number, now = Date.now()): string {
  if (sameDay(ts, now)) return words.value.today;
  if (isYesterday(ts, now)) return words.value.yesterday;
  return new Date(ts).getFullYear() === new Date(now).getFullYear() ? day.value.format(ts) : dayOfYear.value.format(ts);
}

/** For the list: the time today, else the day. */
export const brief = (ts: number) => (sameDay(ts, Date.now()) ? clock(ts) : short.value.format(ts));

/** What a refusal means to a person; what has no words here comes in the server's own. */
export function explained(error: unknown): string {
  const { errors } = words.value;
  const refused = error as { code?: string; message?: string; next?: string; name?: string };
  if (refused.name === 'Lost') return errors.lost!;
  if (refused.code) return errors[refused.code] ?? [refused.message, refused.next].filter(Boolean).join(' ');
  return errors.lost!;
}
