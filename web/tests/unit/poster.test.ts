// What a film looks like before it is there, and where texts lead. What must not live here: pages.
import { expect, test } from 'vitest';
import { hashOf } from '../../src/ui/files/hash';
import { pixels } from '../../src/ui/files/thumbhash';
import { linksIn } from '../../src/ui/text';

/** A picture by a rule, as a canvas gives it. */
function picture(width: number, height: number, at: (x: number, y: number) => [number, number, number]): Uint8ClampedArray {
  const rgba = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y += 1) for (let x = 0; x < width; x += 1) rgba.set([...at(x / width, y / height), 255], (x + y * width) * 4);
  return rgba;
}

test('a first picture in few bytes has the colours and the shape of what it was made of', () => {
  // Dusk: blue above, orange below.
  const dusk = picture(96, 54, (_, y) => (y < 0.5 ? [30, 60, 160] : [220, 120, 40]));
  const hash = hashOf(96, 54, dusk);
  expect(atob(hash).length).toBeLessThanOrEqual(25);
  const seen = pixels(hash)!;
  expect(seen.width / seen.height).toBeCloseTo(96 / 54, 0);
  const at = (x: number, y: number) => [...seen.rgba.slice((x + y * seen.width) * 4, (x + y * seen.width) * 4 + 3)];
  const [above, below] = [at(16, 2), at(16, seen.height - 3)];
  expect(above[2]!).toBeGreaterThan(above[0]! + 40);
  expect(below[0]!).toBeGreaterThan(below[2]! + 40);
  expect(below[0]!).toBeGreaterThan(below[1]! + 30);
  const tall = pixels(hashOf(54, 96, picture(54, 96, () => [200, 200, 200])))!;
  expect(tall.height).toBeGreaterThan(tall.width);
  expect(Math.abs(tall.rgba[0]! - 200)).toBeLessThan(12);
});

test('the links of a text are those that are shown as such, each once', () => {
  const text = 'See https://a.example/x, [the list](https://b.example) and **https://a.example/x**\n> http://c.example/?q=1.\n- [no](javascript:alert(1)) `https://not.example`\n```\nhttps://nor.example\n```';
  expect(linksIn(text)).toEqual([
    { to: 'https://a.example/x', of: 'https://a.example/x' },
    { to: 'https://b.example/', of: 'the list' },
    { to: 'http://c.example/?q=1', of: 'http://c.example/?q=1' },
  ]);
  expect(linksIn('nothing')).toEqual([]);
});
