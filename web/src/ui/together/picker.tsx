// The emoji to choose from: those one used, all by group, by words. What must not live here: what becomes of the chosen one.
import { useEffect, useId, useMemo, useRef, useState } from 'preact/hooks';
import { more } from '../../i18n/together-more';
import { words } from '../../i18n';
import { type Emoji, everyEmoji, inTone, search } from './emoji';
import { recent, setSkin, skin, used } from './recent';
import './together.css';

const MOST_FOUND = 60;
const GROUPS = [0, 1, 3, 4, 5, 6, 7, 8, 9];
const SIGNS = ['😀', '👋', '', '🐻', '🍎', '🚗', '⚽', '💡', '❤️', '🏁'];

export function Picker({ choose, close }: { choose: (emoji: string) => void; close: () => void }) {
  const [all, setAll] = useState<readonly Emoji[]>([]);
  const [query, setQuery] = useState('');
  const [group, setGroup] = useState(-1);
  const box = useRef<HTMLDivElement>(null);
  const id = useId();
  useEffect(() => {
    void everyEmoji().then(setAll, () => {});
    box.current?.querySelector('input')?.focus();
  }, []);
  const shown = useMemo<Pick<Emoji, 'emoji' | 'toned' | 'words' | 'code'>[]>(() => {
    if (query.trim()) return search(all, query, MOST_FOUND);
    if (group >= 0) return all.filter((one) => one.group === group);
    return recent.value.map((emoji) => ({ emoji, toned: false, words: '', code: '' }));
  }, [all, query, group, recent.value]);
  const take = (emoji: string) => {
    used(emoji);
    choose(emoji);
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (event.key === 'Enter' && (event.target as HTMLElement).tagName === 'INPUT') {
      event.preventDefault();
      const [first] = shown;
      if (first) take(inTone(first, skin.value));
    } else move(event);
  };
  /** Arrows go over the grid as it stands, however many fit in a row. */
  const move = (event: KeyboardEvent) => {
    const cells = [...(box.current?.querySelectorAll<HTMLElement>('.emojis button') ?? [])];
    const at = cells.indexOf(document.activeElement as HTMLElement);
    if (at < 0) {
      if (event.key === 'ArrowDown' && cells[0]) {
        event.preventDefault();
        cells[0].focus();
      }
      return;
    }
    const wide = Math.max(1, cells.findIndex((cell) => cell.offsetTop > cells[0]!.offsetTop));
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: wide, ArrowUp: -wide }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    if (at + by < 0) box.current?.querySelector('input')?.focus();
    else cells[Math.min(at + by, cells.length - 1)]?.focus();
  };
  const { emojiFind, emojiGroups, skin: skinWord, skins, noEmoji } = more.value;
  const name = query.trim() ? emojiFind : (emojiGroups[group + 1] ?? '');
  return (
    <div ref={box} class="picker" role="group" aria-label={emojiFind} onKeyDown={pressed}>
      <div class="picker-top">
        <input type="text" inputMode="search" enterkeyhint="done" autocomplete="off" value={query} aria-label={emojiFind} placeholder={emojiFind} onInput={(event) => setQuery(event.currentTarget.value)} />
        <button type="button" class="quiet slim" onClick={close}>{words.value.close}</button>
      </div>
      <div class="groups" role="group" aria-label={name}>
        {[-1, ...GROUPS].map((one) => (
          <button key={one} type="button" aria-pressed={group === one && !query} aria-label={emojiGroups[one + 1]} title={emojiGroups[one + 1]} onClick={() => (setGroup(one), setQuery(''))}>
            <span aria-hidden="true">{one < 0 ? '🕘' : SIGNS[one]}</span>
          </button>
        ))}
      </div>
      <div class="emojis" id={id}>
        {shown.map((one) => {
          const emoji = inTone(one, skin.value);
          return (
            <button key={one.emoji} type="button" aria-label={`${emoji} ${one.code.replaceAll('_', ' ')}`.trim()} title={one.code ? `:${one.code}:` : undefined} onClick={() => take(emoji)}>
              <span aria-hidden="true">{emoji}</span>
            </button>
          );
        })}
        {query.trim() && all.length > 0 && !shown.length && <p class="hint">{noEmoji}</p>}
      </div>
      <label class="tones">
        {skinWord}
        <select value={String(skin.value)} onChange={(event) => setSkin(Number(event.currentTarget.value))}>
          {skins.map((label, tone) => <option key={label} value={String(tone)}>{`${inTone({ emoji: '✋', toned: true }, tone)} ${label}`}</option>)}
        </select>
      </label>
    </div>
  );
}
