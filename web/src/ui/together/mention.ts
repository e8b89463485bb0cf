// Mentions as people write them, "@Bob", and as a message has them, "<@u...>". What must not live here: how they are offered
// while one writes (complete.tsx).
import type { MemberInfo } from '../../proto';

/** By what stands behind the @, who is meant. */
export type Labels = ReadonlyMap<string, string>;

export const ALL = 'all';
/** Nothing inside code is a mention to who writes it, though the server would take it for one. */
const CODE = /(```[\s\S]*?```|`[^`\n]*`)/;
const WORD = /[\p{Script=Latin}\p{Nd}_]/u;
const TOLD = /<@(u[0-9a-z]{10}|all)>/g;

export type Person = Pick<MemberInfo, 'user' | 'name' | 'display_name' | 'nickname'>;

/** What somebody is called in a text: by their name here, unless two go by it. */
export function labelsOf(people: readonly Person[], everyone: readonly string[]): { labels: Labels; of: (user: string) => string | undefined } {
  const shown = (one: Person) => one.nickname || one.display_name || one.name;
  const count = new Map<string, number>();
  for (const one of people) for (const word of new Set([shown(one), one.name])) count.set(word, (count.get(word) ?? 0) + 1);
  const labels = new Map<string, string>(everyone.map((word) => [word, ALL]));
  const by = new Map<string, string>(everyone[0] ? [[ALL, everyone[0]]] : []);
  for (const one of people) {
    const name = shown(one);
    const label = count.get(name) === 1 ? name : `${name} (${one.name})`;
    labels.set(label, one.user);
    if (count.get(one.name) === 1) labels.set(one.name, one.user);
    by.set(one.user, label);
  }
  return { labels, of: (user) => by.get(user) };
}

export function encoded(text: string, labels: Labels): string {
  if (!text.includes('@') || !labels.size) return text;
  const longest = [...labels.keys()].sort((one, other) => other.length - one.length);
  return text
    .split(CODE)
    .map((part, at) => (at % 2 ? part : outside(part, longest, labels)))
    .join('');
}

function outside(text: string, longest: readonly string[], labels: Labels): string {
  let said = '';
  for (let at = 0; at < text.length; ) {
    const label = text[at] === '@' && !WORD.test(text[at - 1] ?? '') ? longest.find((one) => isHere(text, at + 1, one)) : undefined;
    said += label === undefined ? text[at] : `<@${labels.get(label)}>`;
    at += label === undefined ? 1 : label.length + 1;
  }
  return said;
}

/** "@ann" is not in "@annabel", but "@小明" is in "@小明你好". */
function isHere(text: string, at: number, label: string): boolean {
  const end = at + label.length;
  const same = text.slice(at, end).toLocaleLowerCase() === label.toLocaleLowerCase();
  return same && !(WORD.test(label.at(-1) ?? '') && WORD.test(text[end] ?? ''));
}

/** For changing a message: as it was written. */
export function decoded(text: string, of: (user: string) => string | undefined): string {
  return text.replace(TOLD, (whole, user: string) => {
    const label = of(user);
    return label === undefined ? whole : `@${label}`;
  });
}

/** The word that is being written before the caret, if it begins with one of the signs. */
export function wordAt(text: string, caret: number): { sign: '@' | ':'; word: string; from: number } | undefined {
  const before = text.slice(0, caret);
  const found = /(^|[^\p{Script=Latin}\p{Nd}_])([@:])([^\s@:,，。]{0,32})$/u.exec(before);
  if (!found) return undefined;
  const sign = found[2] as '@' | ':';
  const word = found[3]!;
  // A colon is mostly just that: two letters say that an emoji is meant.
  if (sign === ':' && word.length < 2) return undefined;
  return { sign, word, from: caret - word.length - 1 };
}
