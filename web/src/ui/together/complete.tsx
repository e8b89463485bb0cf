// What is offered for the word that one writes: people behind an @, emoji behind a colon. What must not live here: where the
// word is (mention.ts), and what becomes of the text (composer.tsx).
import { useEffect, useId, useLayoutEffect, useState } from 'preact/hooks';
import { words } from '../../i18n';
import { more } from '../../i18n/together-more';
import { Avatar } from '../avatar';
import { me } from '../state';
import { type Emoji, everyEmoji, inTone, search } from './emoji';
import type { Person, wordAt } from './mention';
import { skin, used } from './recent';
import './together.css';

const MOST = 8;

interface Offer {
  key: string;
  put: string;
  name: string;
  about: string;
  seed?: string;
  emoji?: string;
}

interface Props {
  word: NonNullable<ReturnType<typeof wordAt>>;
  people: readonly Person[];
  everyone: boolean;
  labelOf: (user: string) => string | undefined;
  keys: { current: ((event: KeyboardEvent) => boolean) | undefined };
  choose: (what: string) => void;
}

/** Names that begin so first, then those with a word that does, then those that have it somewhere. */
function people({ word, people, everyone, labelOf }: Props): Offer[] {
  const wish = word.word.toLowerCase();
  const rank = (text: string) => {
    const low = text.toLowerCase();
    return low.startsWith(wish) ? 0 : low.includes(` ${wish}`) ? 1 : low.includes(wish) ? 2 : 9;
  };
  const all = people
    .filter((one) => one.user !== me.value)
    .map((one) => ({ one, label: labelOf(one.user) ?? one.name, rank: Math.min(rank(labelOf(one.user) ?? ''), rank(one.name)) }))
    .filter(({ rank }) => rank < 9)
    .sort((a, b) => a.rank - b.rank || a.label.localeCompare(b.label));
  const offers: Offer[] = all.slice(0, MOST).map(({ one, label }) => ({ key: one.user, put: `@${label} `, name: label, about: one.name === label ? '' : one.name, seed: one.user }));
  const word_ = words.value.everyone;
  if (everyone && (word_.startsWith(wish) || 'all'.startsWith(wish))) offers.push({ key: 'all', put: `@${word_} `, name: `@${word_}`, about: more.value.everyoneHere });
  return offers;
}

function useOffers(props: Props): Offer[] {
  const { word } = props;
  const [all, setAll] = useState<readonly Emoji[]>([]);
  useEffect(() => {
    if (word.sign === ':') void everyEmoji().then(setAll, () => {});
  }, [word.sign]);
  if (word.sign === '@') return people(props);
  return search(all, word.word, MOST).map((one) => {
    const emoji = inTone(one, skin.value);
    return { key: one.emoji, put: emoji, name: `:${one.code || one.words.split(' ')[0]}:`, about: '', emoji };
  });
}

export function Complete(props: Props) {
  const { keys, choose, word } = props;
  const offers = useOffers(props);
  const [at, setAt] = useState(0);
  const [shut, setShut] = useState('');
  const id = useId();
  const now = `${word.from} ${word.word}`;
  const open = offers.length > 0 && shut !== now;
  const chosen = Math.min(at, offers.length - 1);
  useEffect(() => setAt(0), [now]);
  const take = (offer: Offer | undefined) => {
    if (!offer) return;
    if (offer.emoji) used(offer.emoji);
    choose(offer.put);
  };
  useLayoutEffect(() => {
    keys.current = (event) => {
      if (!open) return false;
      if (event.key === 'ArrowDown' || event.key === 'ArrowUp') setAt((chosen + (event.key === 'ArrowDown' ? 1 : -1) + offers.length) % offers.length);
      else if ((event.key === 'Enter' && !event.shiftKey) || event.key === 'Tab') take(offers[chosen]);
      else if (event.key === 'Escape') setShut(now);
      else return false;
      return true;
    };
    const box = document.activeElement;
    if (open && box instanceof HTMLTextAreaElement) {
      box.setAttribute('aria-controls', id);
      box.setAttribute('aria-activedescendant', `${id}-${chosen}`);
    }
    return () => {
      keys.current = undefined;
      box?.removeAttribute('aria-controls');
      box?.removeAttribute('aria-activedescendant');
    };
  });
  return (
    <>
      <p class="unseen" role="status">{open ? more.value.suggested(offers.length) : ''}</p>
      {open && (
        <ul class="offers" id={id} role="listbox" aria-label={more.value.suggestions}>
          {offers.map((offer, index) => (
            // The focus stays where one writes.
            <li key={offer.key} id={`${id}-${index}`} role="option" aria-selected={index === chosen} onPointerDown={(event) => (event.preventDefault(), take(offer))}>
              {offer.emoji ? <span class="sign" aria-hidden="true">{offer.emoji}</span> : offer.seed ? <Avatar name={offer.name} seed={offer.seed} /> : <span class="sign" aria-hidden="true">@</span>}
              <span>{offer.name}</span>
              <span class="faint">{offer.about}</span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
