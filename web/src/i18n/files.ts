// The words about files in the language that is spoken, and how sizes and times are told. What must not live here: the words
// themselves (filewords.ts).
import { computed } from '@preact/signals';
import { words } from './index';
import { en, zh } from './filewords';

export const fileWords = computed(() => ({ ...(words.value.lang === 'en' ? en : zh), playable }));

let probe: HTMLMediaElement | undefined;
/** What this browser says it can play; it never says more than "probably". */
function playable(media: string): boolean {
  probe ??= document.createElement('video');
  return probe.canPlayType(media) !== '';
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** In powers of ten, as file managers tell it; the server's limits of MiB come out a little above their number. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1_000 && unit < UNITS.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 10 ? 0 : 1;
  return `${new Intl.NumberFormat(words.value.lang, { maximumFractionDigits: digits }).format(value)} ${UNITS[unit]}`;
}

export function lasts(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  const part = (value: number) => String(value).padStart(2, '0');
  const [h, m, s] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${part(m)}:${part(s)}` : `${m}:${part(s)}`;
}
