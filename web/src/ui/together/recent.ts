// Which emoji one uses, and in which tone of skin: kept in this browser. What must not live here: all emoji (emoji.ts).
import { signal } from '@preact/signals';

const RECENT = 'kinglet-emoji';
const SKIN = 'kinglet-skin';
const FIRST = ['👍', '❤️', '😂', '🎉', '👀', '✅'];
const MOST = 24;

function read(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(RECENT) ?? '[]');
    const mine = Array.isArray(kept) ? kept.filter((one) => typeof one === 'string') : [];
    return [...mine, ...FIRST.filter((one) => !mine.includes(one))].slice(0, MOST);
  } catch {
    return FIRST;
  }
}

export const recent = signal<readonly string[]>(read());
/** 0: as it comes; 1 to 5: from light to dark. */
export const skin = signal(Number(localStorage.getItem(SKIN) ?? 0) || 0);

export function used(emoji: string): void {
  recent.value = [emoji, ...recent.value.filter((one) => one !== emoji)].slice(0, MOST);
  localStorage.setItem(RECENT, JSON.stringify(recent.value));
}

export function setSkin(tone: number): void {
  skin.value = tone;
  localStorage.setItem(SKIN, String(tone));
}
