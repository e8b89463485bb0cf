// Makes src/ui/together/emoji.txt, the emoji with their names in both languages, from a folder of the package emojibase-data 17:
// `npm install --no-save emojibase-data@17 && node scripts/emoji.mjs node_modules/emojibase-data`. The list changes once a year,
// and the package is fifty times as large, so the list is checked in. What must not live here: how it is searched.
//
// A line per emoji: the emoji, its group, 1 if it takes a tone of skin, its shortcode, English words, Chinese words; by tabs.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Newer ones are boxes on many phones yet. */
const NEWEST = 15;
const COMPONENTS = 2;
const MOST_TAGS = 5;

const from = process.argv[2];
if (!from) throw new Error('say where emojibase-data lies: node scripts/emoji.mjs FOLDER');
const read = async (name) => JSON.parse(await readFile(path.join(from, name), 'utf8'));
const full = await read('en/data.json');
const chinese = new Map((await read('zh/compact.json')).map((one) => [one.hexcode, one]));
const codes = await read('en/shortcodes/github.json');

/** The rule that the client goes by: the tone stands behind the first sign. */
function toned(emoji) {
  const [first, ...rest] = [...emoji].filter((sign, at) => !(at === 1 && sign === '\ufe0f'));
  return [first, '\u{1f3fb}', ...rest].join('');
}

const lines = full
  .filter((one) => one.group !== undefined && one.group !== COMPONENTS && one.version <= NEWEST)
  .sort((one, other) => one.order - other.order)
  .map((one) => {
    const zh = chinese.get(one.hexcode);
    const takesTone = one.skins?.some((skin) => skin.emoji === toned(one.emoji)) ? 1 : 0;
    const code = [codes[one.hexcode] ?? ''].flat()[0];
    const words = (label, tags) => [label, ...(tags ?? []).filter((tag) => !label.includes(tag)).slice(0, MOST_TAGS)].join(' ');
    return [one.emoji, one.group, takesTone, code, words(one.label, one.tags), zh ? words(zh.label, zh.tags) : ''].join('\t');
  });
const home = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
await writeFile(path.join(home, 'src/ui/together/emoji.txt'), `${lines.join('\n')}\n`);
