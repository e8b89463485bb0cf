// What is told in one way wherever it stands: colours of people, times of day, sizes; and which address is doubted. What must not
// live here: pages.
import { readFileSync } from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { COLOURS, colourOf } from '../../src/ui/colour';

vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => {} });
vi.stubGlobal('navigator', { language: 'en', languages: ['en'] });
const { clock, fullTime, moment, otherLanguage, words } = await import('../../src/i18n');
const { size } = await import('../../src/i18n/desk');
const { bytesText } = await import('../../src/i18n/files');

const LETTERS = '0123456789abcdefghjkmnpqrstvwxyz';
/** Ids as the server makes them, from a seed. */
function ids(count: number): string[] {
  let state = 7;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 27;
  return Array.from({ length: count }, () => `u${Array.from({ length: 10 }, () => LETTERS[next()]).join('')}`);
}

const share = (all: readonly string[]) => {
  const of = new Map<number, number>();
  for (const id of all) of.set(colourOf(id), (of.get(colourOf(id)) ?? 0) + 1);
  return of;
};

test('people are spread evenly over the colours, also where their ids are alike', () => {
  const random = share(ids(24_000));
  const alike = share(Array.from({ length: 2_400 }, (_, at) => `u000000${String(at).padStart(4, '0')}`));
  expect([random.size, alike.size]).toEqual([COLOURS, COLOURS]);
  for (const count of random.values()) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  for (const count of alike.values()) expect(Math.abs(count - 100)).toBeLessThan(50);
});

test('white is readable on each of the colours, and no two are the same', () => {
  const css = readFileSync(new URL('../../src/ui/avatar.css', import.meta.url), 'utf8');
  const colours = [...css.matchAll(/\.avatar\.c(\d+) \{\s*background: #([0-9a-f]{6});/g)].map(([, at, hex]) => [Number(at), hex!] as const);
  expect(colours.map(([at]) => at)).toEqual(Array.from({ length: COLOURS }, (_, at) => at));
  expect(new Set(colours.map(([, hex]) => hex)).size).toBe(COLOURS);
  const linear = (value: number) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  for (const [, hex] of colours) {
    const [r, g, b] = [0, 2, 4].map((at) => linear(Number.parseInt(hex.slice(at, at + 2), 16) / 255)) as [number, number, number];
    const contrast = 1.05 / (0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05);
    expect(contrast, hex).toBeGreaterThanOrEqual(4.5);
  }
});

const before = words.value.lang;
afterEach(() => {
  if (words.value.lang !== before) otherLanguage();
});

test('a time of day is written in one way, in both languages', () => {
  const at = new Date(2026, 10, 26, 9, 5, 7).getTime();
  for (const _ of ['one', 'other']) {
    expect(moment(at).endsWith(clock(at)), `${moment(at)} / ${clock(at)}`).toBe(true);
    const [hour] = clock(at).split(':');
    expect(fullTime(at)).toContain(` ${hour}:05:07`);
    otherLanguage();
  }
});

test('a size has the unit of the settings, on every page', () => {
  for (const tell of [size, bytesText]) {
    expect(tell(100 * 1024 * 1024)).toBe('100 MiB');
    expect(tell(1_536)).toBe('1.5 KiB');
    expect(tell(700)).toBe('700 B');
  }
});
