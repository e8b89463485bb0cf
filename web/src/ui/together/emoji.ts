// All emoji, searched by words of both languages. What must not live here: how they are shown, and which one used (recent.ts).
// Names and words are those of Unicode's CLDR, by way of emojibase (MIT): scripts/emoji.mjs.

export interface Emoji {
  emoji: string;
  group: number;
  toned: boolean;
  code: string;
  words: string;
}

let all: Promise<readonly Emoji[]> | undefined;

/** Fetched when the first is looked for. */
export function everyEmoji(): Promise<readonly Emoji[]> {
  all ??= import('./emoji.txt?raw').then(
    ({ default: text }) => text.trimEnd().split('\n').map(parsed),
    (error: unknown) => {
      all = undefined;
      throw error;
    },
  );
  return all;
}

function parsed(line: string): Emoji {
  const [emoji = '', group = '', toned = '', code = '', en = '', zh = ''] = line.split('\t');
  return { emoji, group: Number(group), toned: toned === '1', code, words: `${en} ${zh}`.toLowerCase() };
}

/** The tone stands behind the first sign. */
export function inTone({ emoji, toned }: Pick<Emoji, 'emoji' | 'toned'>, tone: number): string {
  if (!toned || !tone) return emoji;
  const [first, ...rest] = [...emoji].filter((sign, at) => !(at === 1 && sign === '\ufe0f'));
  return [first, String.fromCodePoint(0x1f3fa + tone), ...rest].join('');
}

/** Best first: by its short name, by a whole word, by the beginning of one, by a part. */
export function search(emoji: readonly Emoji[], query: string, most: number): Emoji[] {
  const wish = query.trim().toLowerCase().replace(/^:|:$/g, '').replaceAll('_', ' ');
  if (!wish) return [];
  const parts = wish.split(/\s+/);
  const ranked = emoji.flatMap((one) => {
    const rank = rankOf(one, wish, parts);
    return rank === undefined ? [] : [{ one, rank }];
  });
  return ranked.sort((a, b) => a.rank - b.rank).slice(0, most).map(({ one }) => one);
}

function rankOf(one: Emoji, wish: string, parts: readonly string[]): number | undefined {
  const code = one.code.replaceAll('_', ' ');
  if (code === wish) return 0;
  const words = one.words.split(' ');
  const first = words[0] === parts[0] ? 0 : 0.5;
  if (parts.every((part) => words.includes(part))) return 1 + first;
  if (code.startsWith(wish)) return 2;
  if (parts.every((part) => words.some((word) => word.startsWith(part)))) return 3 + first;
  if (parts.every((part) => one.words.includes(part) || code.includes(part))) return 5;
  return undefined;
}
