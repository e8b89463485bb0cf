// What pages reckon about files: names, moving pictures, placeholders, room, and which pictures stand side by side. What must
// not live here: a browser (tests/browser/files.test.ts).
import { h, type VNode } from 'preact';
import { expect, test } from 'vitest';
import type { Entry } from '../../src/engine/records';
import { albums, boxOf } from '../../src/ui/files/slot';
import { moves, nameOf } from '../../src/ui/files/shrink';
import { pixels } from '../../src/ui/files/thumbhash';
import { message } from '../kit/events';

test('a name becomes one that the server takes, with its ending', () => {
  expect(nameOf('a/b\\c\n.png')).toBe('a b c .png');
  expect(nameOf('  ')).toBe('file');
  const long = nameOf(`${'港'.repeat(200)}.jpeg`);
  expect(new TextEncoder().encode(long).length).toBeLessThanOrEqual(255);
  expect(long.endsWith('港.jpeg')).toBe(true);
});

test('moving pictures are known by their bytes', async () => {
  const of = (type: string, text: string) => moves(new Blob([Uint8Array.from(text, (char) => char.charCodeAt(0))], { type }));
  expect(await of('image/gif', 'GIF89a')).toBe(true);
  expect(await of('image/png', '\x89PNG....IHDR....acTL')).toBe(true);
  expect(await of('image/png', '\x89PNG....IHDR....IDAT')).toBe(false);
  expect(await of('image/webp', 'RIFF....WEBPVP8X\n\0\0\0\x02')).toBe(true);
  expect(await of('image/webp', 'RIFF....WEBPVP8X\n\0\0\0\x10')).toBe(false);
  expect(await of('image/jpeg', '\xff\xd8acTL')).toBe(false);
});

test('a ThumbHash becomes a small picture, and nonsense none', () => {
  const found = pixels('1QcSHQRnh493V4dIh4eXh1h4kJUI')!;
  expect([found.width, found.height]).toEqual([23, 32]);
  // What the decoder of its own authors gives, but for rounding.
  expect([...found.rgba.slice(0, 4)]).toEqual([64, 78, 113, 255]);
  expect(pixels('!!')).toBeUndefined();
  expect(pixels('AAA=')).toBeUndefined();
});

test('a picture’s room is known before it is there, whatever its form', () => {
  expect(boxOf({ width: 4000, height: 3000 })).toEqual({ width: 288, height: 216 });
  expect(boxOf({ width: 100, height: 80 })).toEqual({ width: 100, height: 80 });
  expect(boxOf({ width: 10_000, height: 10 })).toEqual({ width: 288, height: 56 });
  expect(boxOf({ width: null, height: null })).toEqual({ width: 240, height: 180 });
});

test('only pictures without words, by one person and one after the other, stand side by side', () => {
  const picture = { kind: 'image', blob: 'ab', name: 'a.jpg', thumbhash: 'x' };
  const part = (seq: number, body: object, follows: boolean): VNode => {
    const event = message(seq, '', seq, { body });
    return h('article', { key: seq, entry: { conversation: '', seq, event, body } as unknown as Entry, follows } as object);
  };
  const parts = [
    part(1, { kind: 'text', text: 'x' }, false),
    part(2, picture, true),
    part(3, picture, true),
    part(4, { ...picture, caption: 'words' }, true),
    part(5, picture, false),
    part(6, picture, false),
    part(7, picture, true),
  ];
  const shape = (albums(parts) as VNode<{ children?: VNode[] }>[]).map((one) => (one.type === 'div' ? one.props.children!.map(({ key }) => key) : one.key));
  expect(shape).toEqual([1, [2, 3], 4, 5, [6, 7]]);
});
