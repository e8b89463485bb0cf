// What a text looks like, by the protocol's table, and what it must never become. What must not live here: elements.
import { expect, test } from 'vitest';
import { blocks, inline, type Inline, isEmoji, plain, safe } from '../../src/ui/text';

/** As words with their marks named. */
const flat = (of: Inline[]): string =>
  of
    .map((piece) => {
      if (piece.is === 'text') return piece.text;
      if (piece.is === 'mention') return `{@${piece.user}}`;
      if (piece.is === 'link') return `{link ${piece.to} ${piece.of}}`;
      return `{${piece.is} ${piece.is === 'code' ? piece.text : flat(piece.of)}}`;
    })
    .join('');

test.each([
  ['**bold** and *it* and _it_ and ~~no~~', '{bold bold} and {italic it} and {italic it} and {struck no}'],
  ['snake_case_name and 2*3*4 = 24', 'snake_case_name and 2{italic 3}4 = 24'],
  ['**a *b* c**', '{bold a {italic b} c}'],
  ['`**code**` and `open', '{code **code**} and `open'],
  ['a * b * c and **', 'a * b * c and **'],
  ['see https://example.org/a?b=c, and (https://example.org/x).', 'see {link https://example.org/a?b=c https://example.org/a?b=c}, and ({link https://example.org/x https://example.org/x}).'],
  ['[here](https://example.org/) [bad](javascript:alert(1)) [worse](data:text/html,x)', '{link https://example.org/ here} [bad](javascript:alert(1)) [worse](data:text/html,x)'],
  ['<@u2b0b5mt8wz> and <@all> and <b>', '{@u2b0b5mt8wz} and {@all} and <b>'],
  ['\\*not\\* \\x', '*not* \\x'],
])('%s', (text, shown) => expect(flat(inline(text))).toBe(shown));

test('blocks: code, quotes, lists, lines', () => {
  const found = blocks('one\ntwo\n```js\n**x**\n```\n> said\n- a\n  - b\n1. c\n```\nopen');
  expect(found.map((block) => block.is)).toEqual(['lines', 'code', 'quote', 'list', 'lines']);
  expect(found[1]).toEqual({ is: 'code', text: '**x**' });
  expect(found[3]).toMatchObject({ items: [{ level: 0, mark: '•' }, { level: 1, mark: '•' }, { level: 0, mark: '1.' }] });
});

test('in the list it is one line of plain words', () => {
  const text = '**Are** you <@u2b0b5mt8wz>?\n- `one`\n- [two](https://example.org/)';
  expect(plain(text, () => 'Bob')).toBe('Are you @Bob? one two');
});

test('controls and turned writing are shown as nothing, and only http leads anywhere', () => {
  expect(flat(inline('x'))).toBe('x');
  expect(blocks('a\u202Eb\u0007c')).toEqual([{ is: 'lines', of: [[{ is: 'text', text: 'abc' }]] }]);
  for (const address of ['javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'https://']) expect(safe(address)).toBeUndefined();
});

/** The least of a few runs: whatever else the machine does only adds to it. */
function least(text: string): number {
  const once = () => {
    const begin = performance.now();
    inline(text);
    return performance.now() - begin;
  };
  return Math.min(...Array.from({ length: 5 }, once));
}

test('a line of marks that is eight times as long takes about eight times as long, not sixty-four', () => {
  for (const mark of ['*a ', '_', '[', '**a', '`']) {
    expect(least(mark.repeat(8_000)) / Math.max(least(mark.repeat(1_000)), 0.05), mark).toBeLessThan(32);
  }
});

test('a few signs and nothing else are shown large', () => {
  for (const text of ['👍', '👍🏽', '👨‍👩‍👧‍👦', '🇩🇪', '❤️', ' 👍 🎉\n']) expect(isEmoji(text), text).toBe(true);
  for (const text of ['', ' ', '1', '#', '©', '™', 'ok 👍', '👍.', '🎉'.repeat(7), '🎉 '.repeat(50)]) expect(isEmoji(text), text).toBe(false);
});
