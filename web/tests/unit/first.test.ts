// What the first pages decide by themselves: which code is which, what kind of browser this is, which groups of a key are asked
// back. What must not live here: pages.
import { expect, test } from 'vitest';
import { meantBy } from '../../src/ui/first/code';
import { insideApp, isAppleSafari } from '../../src/ui/first/device';
import { inGroups, isRight, twoOf, whole } from '../../src/ui/first/key';

const KEY = 'AGE-SECRET-KEY-184JMZMVQH3E6U0PSL869004Y3U2NYV7R30EU99CSEDNPH02YUVFSZW44VU';

test('a code is told by its length, however it is typed, and so is a whole link', () => {
  expect(meantBy('7qkm-2x9d')).toEqual({ is: 'pair', code: '7QKM2X9D' });
  expect(meantBy(' 7QKM 2X9D V4TN 0BHS ')).toEqual({ is: 'join', code: '7QKM2X9DV4TN0BHS' });
  expect(meantBy('https://chat.example.org/join#7QKM2X9DV4TN0BHS')).toEqual({ is: 'join', code: '7QKM2X9DV4TN0BHS' });
  expect(meantBy('48DPK-GW5GA-VJ3NR-67VPN-3ST9G-V')?.is).toBe('reset');
  for (const none of ['', '482', 'https://chat.example.org/join', '7QKM2X9DV4TN0BH']) expect(meantBy(none)).toBeUndefined();
});

const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1';
const MAC = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15';

test('Safari on a phone is told from the installed app, from other browsers and from a Mac', () => {
  expect(isAppleSafari({ userAgent: IPHONE }, false)).toBe(true);
  expect(isAppleSafari({ userAgent: MAC, maxTouchPoints: 5 }, false)).toBe(true);
  expect(isAppleSafari({ userAgent: MAC, maxTouchPoints: 0 }, false)).toBe(false);
  expect(isAppleSafari({ userAgent: IPHONE, standalone: true }, false)).toBe(false);
  expect(isAppleSafari({ userAgent: IPHONE }, true)).toBe(false);
  for (const other of ['CriOS/124.0', 'FxiOS/125.0', 'EdgiOS/124.0'])
    expect(isAppleSafari({ userAgent: IPHONE.replace('Version/17.4', other) }, false)).toBe(false);
  expect(isAppleSafari({ userAgent: 'Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/124.0 Mobile Safari/537.36' }, false)).toBe(false);
});

test('browsers inside other apps are known by what they say', () => {
  for (const [says, inside] of [
    ['MicroMessenger/8.0.47', 'wechat'],
    ['Line/14.5.0', 'line'],
    ['Instagram 330.0', 'meta'],
    ['[FBAN/FBIOS;FBAV/460.0]', 'meta'],
    ['DingTalk/7.0', 'other'],
    ['Version/4.0 Chrome/124.0; wv)', 'other'],
  ] as const)
    expect(insideApp(`${IPHONE} ${says}`)).toBe(inside);
  expect(insideApp(IPHONE)).toBeUndefined();
  expect(insideApp(`${IPHONE} Online/1`)).toBeUndefined();
});

test('a key stands in groups that make it whole again, and two different whole ones are asked back', () => {
  const groups = inGroups(KEY);
  expect(groups.begin + groups.groups.join('')).toBe(KEY);
  expect(groups.begin).toBe('AGE-SECRET-KEY-1');
  expect(whole(groups)).toBe(14);
  for (let at = 0; at < 196; at += 1) {
    const dice = [Math.floor(at / 14) / 14, (at % 14) / 14];
    const [one, other] = twoOf(14, () => dice.shift()!);
    expect(one).toBeLessThan(other);
    expect(one).toBeGreaterThanOrEqual(1);
    expect(other).toBeLessThanOrEqual(14);
  }
  expect(isRight(groups, [1, 14], '84jm vfsz')).toBe(false);
  expect(isRight(groups, [1, 14], `${groups.groups[0]}-${groups.groups[13]!.toLowerCase()}`)).toBe(true);
  expect(isRight(groups, [1, 14], groups.groups[0]!)).toBe(false);
  expect(isRight(groups, [1, 14], '')).toBe(false);
});
