// The words about files in the language that is spoken, and how long something lasts. What must not live here: the words
// themselves (filewords.ts).
import { computed } from '@preact/signals';
import { words } from './index';
import { en, zh } from './filewords';

export { bytesText } from './sizes';

export const fileWords = computed(() => ({ ...(words.value.lang === 'en' ? en : zh), playable }));

let probe: HTMLMediaElement | undefined;
/** What this browser says it can play; it never says more than "probably". */
function playable(media: string): boolean {
  probe ??= document.createElement('video');
  return probe.canPlayType(media) !== '';
}

export function lasts(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  const part = (value: number) => String(value).padStart(2, '0');
  const [h, m, s] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${part(m)}:${part(s)}` : `${m}:${part(s)}`;
}
