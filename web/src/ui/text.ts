// What is written in a message as a tree of what is to be shown, by the rules of PROTOCOL.md ("What a text may have"). What
// must not live here: elements; a tree holds only text and safe addresses.

export type Inline =
  | { is: 'text'; text: string }
  | { is: 'bold' | 'italic' | 'struck'; of: Inline[] }
  | { is: 'code'; text: string }
  | { is: 'link'; to: string; of: string }
  | { is: 'mention'; user: string };

export type Block =
  | { is: 'lines'; of: Inline[][] }
  | { is: 'quote'; of: Inline[][] }
  | { is: 'code'; text: string }
  | { is: 'list'; items: { level: number; mark: string; of: Inline[] }[] };

/** Controls, and what turns the direction of writing, are shown as nothing. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g;
const ITEM = /^((?:  )*)([-*]|\d{1,9}\.) (.*)$/;
const BARE = /^https?:\/\/[^\s<>]+/;
const CLOSING = /[.,:;!?'")\]}，。：；！？）】”’]+$/;
const ESCAPED = /^\\([\\*_~[\]()<>#\-.`])/;
const MENTION = /^<@(u[0-9a-z]{10}|all)>/;
const NAMED = /^\[([^\]\n]+)\]\(([^\s()]+)\)/;
const MARKS: [string, 'bold' | 'struck' | 'italic'][] = [
  ['**', 'bold'],
  ['~~', 'struck'],
  ['*', 'italic'],
  ['_', 'italic'],
];
/** Deeper nesting is shown as it stands; nobody writes it by accident. */
const DEEPEST = 6;
/** A mark whose end is not among so many of its kind, and a named link that is longer than this, are shown as they stand: a long
    message of nothing but marks must not keep anybody's browser busy. */
const MOST_ENDS = 64;
const LONGEST_LINK = 4_096;

/** One sign with whatever belongs to it: a variant, a tone, a partner it is joined with, the other half of a flag. */
const SIGN = String.raw`(?:(?![\u0000-\u2190])[\p{Extended_Pictographic}\u{1f1e6}-\u{1f1ff}][\ufe0f\u{1f3fb}-\u{1f3ff}\u{e0020}-\u{e007f}]*(?:\u200d\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]*)*)`;
const FEW_SIGNS = new RegExp(`^\\s*(?:${SIGN}\\s*){1,6}$`, 'u');

/** Nothing but a few of them: shown large. ©, ™ and what else is older than emoji is none. */
export const isEmoji = (text: string): boolean => text.length < 80 && FEW_SIGNS.test(text);

export function blocks(text: string): Block[] {
  const lines = text.replace(UNSEEN, '').split('\n');
  const found: Block[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const end = fence(lines, at);
    if (end !== undefined) {
      found.push({ is: 'code', text: lines.slice(at + 1, end).join('\n') });
      at = end;
    } else add(found, lines[at]!);
  }
  return found;
}

/** Where the code that begins here ends; a fence without its partner is just characters. */
function fence(lines: readonly string[], at: number): number | undefined {
  if (!/^```\w*\s*$/.test(lines[at]!)) return undefined;
  const end = lines.findIndex((line, later) => later > at && /^```\s*$/.test(line));
  return end < 0 ? undefined : end;
}

function add(found: Block[], line: string): void {
  const last = found.at(-1);
  const item = ITEM.exec(line);
  if (line.startsWith('> ')) {
    const of = inline(line.slice(2));
    if (last?.is === 'quote') last.of.push(of);
    else found.push({ is: 'quote', of: [of] });
  } else if (item) {
    const entry = { level: item[1]!.length / 2, mark: /\d/.test(item[2]!) ? item[2]! : '•', of: inline(item[3]!) };
    if (last?.is === 'list') last.items.push(entry);
    else found.push({ is: 'list', items: [entry] });
  } else if (last?.is === 'lines') last.of.push(inline(line));
  else found.push({ is: 'lines', of: [inline(line)] });
}

/** On one line, for the list: what it says, without how. */
export function plain(text: string, name: (user: string) => string): string {
  const said = (of: readonly Inline[]): string => of.map(one).join('');
  const one = (piece: Inline): string => {
    if (piece.is === 'mention') return `@${name(piece.user)}`;
    if (piece.is === 'link') return piece.of;
    return 'text' in piece ? piece.text : said(piece.of);
  };
  const lines = blocks(text).map((block) => {
    if (block.is === 'code') return block.text;
    return block.is === 'list' ? block.items.map((item) => said(item.of)).join(' ') : block.of.map(said).join(' ');
  });
  return lines.join(' ').trim();
}

/** Where it leads, in its order; each address once. */
export function linksIn(text: string): { to: string; of: string }[] {
  const found = new Map<string, { to: string; of: string }>();
  const look = (of: readonly Inline[]): void => {
    for (const piece of of) {
      if (piece.is === 'link' && !found.has(piece.to)) found.set(piece.to, { to: piece.to, of: piece.of });
      else if ('of' in piece && typeof piece.of !== 'string') look(piece.of);
    }
  };
  for (const block of blocks(text)) {
    if (block.is === 'list') for (const item of block.items) look(item.of);
    else if (block.is !== 'code') for (const line of block.of) look(line);
  }
  return [...found.values()];
}

export function inline(line: string, depth = 0): Inline[] {
  const found: Inline[] = [];
  let plain = '';
  const flush = () => {
    if (plain) found.push({ is: 'text', text: plain });
    plain = '';
  };
  let at = 0;
  while (at < line.length) {
    const piece = special(line, at, depth);
    if (piece) {
      if (typeof piece.node === 'string') plain += piece.node;
      else {
        flush();
        found.push(piece.node);
      }
      at += piece.length;
    } else {
      plain += line[at];
      at += 1;
    }
  }
  flush();
  return found;
}

type Piece = { node: Inline | string; length: number } | undefined;

function special(line: string, at: number, depth: number): Piece {
  const char = line[at]!;
  if (!'\\`<[h*_~'.includes(char)) return undefined;
  const rest = line.slice(at);
  const escaped = ESCAPED.exec(rest);
  if (escaped) return { node: escaped[1]!, length: 2 };
  if (char === '`') return code(rest);
  if (char === '<') return mention(rest);
  if (char === '[') return named(rest);
  if (char === 'h') return bare(rest, line[at - 1]);
  return depth < DEEPEST ? marked(line, at, depth) : undefined;
}

function code(rest: string): Piece {
  const end = rest.indexOf('`', 1);
  return end > 1 ? { node: { is: 'code', text: rest.slice(1, end) }, length: end + 1 } : undefined;
}

function mention(rest: string): Piece {
  const found = MENTION.exec(rest);
  return found ? { node: { is: 'mention', user: found[1]! }, length: found[0].length } : undefined;
}

/** Only these two lead anywhere; everything else stays text. */
export function safe(address: string): string | undefined {
  try {
    const url = new URL(address);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : undefined;
  } catch {
    return undefined;
  }
}

function named(rest: string): Piece {
  if (rest[rest.indexOf(']') + 1] !== '(') return undefined;
  const found = NAMED.exec(rest.slice(0, LONGEST_LINK));
  const to = found && safe(found[2]!);
  return found && to ? { node: { is: 'link', to, of: found[1]! }, length: found[0].length } : undefined;
}

function bare(rest: string, before: string | undefined): Piece {
  const found = BARE.exec(rest);
  if (!found || (before && /\w/.test(before))) return undefined;
  const address = found[0].replace(CLOSING, '');
  const to = safe(address);
  return to ? { node: { is: 'link', to, of: address }, length: address.length } : undefined;
}

function marked(line: string, at: number, depth: number): Piece {
  for (const [mark, is] of MARKS) {
    if (!line.startsWith(mark, at)) continue;
    const begin = at + mark.length;
    // Inside a word an underscore is just that.
    if (mark === '_' && /\w/.test(line[at - 1] ?? '')) continue;
    let tries = MOST_ENDS;
    for (let end = line.indexOf(mark, begin + 1); end > 0 && tries > 0; end = line.indexOf(mark, end + 1), tries -= 1) {
      const open = /\s/.test(line[begin]!) || /\s/.test(line[end - 1]!) || line[end - 1] === '\\';
      const inWord = mark === '_' && /\w/.test(line[end + 1] ?? '');
      const double = mark.length === 1 && (line[end + 1] === mark || line[end - 1] === mark);
      if (open || inWord || double) continue;
      const of = inline(line.slice(begin, end), depth + 1);
      return { node: { is, of }, length: end + mark.length - at };
    }
  }
  return undefined;
}
