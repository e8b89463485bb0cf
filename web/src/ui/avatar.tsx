// Somebody's picture, or a letter on a colour, the same for them everywhere. What must not live here: how pictures come.
import { usePicture } from './picture';
import { users } from './state';

const COLOURS = 8;

export function Avatar({ name, seed, large }: { name: string; seed: string; large?: boolean }) {
  const picture = usePicture(users.value.get(seed)?.avatar);
  const size = large ? ' large' : '';
  if (picture) return <img class={`avatar${size}`} src={picture} alt="" aria-hidden="true" draggable={false} />;
  let sum = 0;
  for (const char of seed) sum = (sum * 31 + char.codePointAt(0)!) >>> 0;
  const [letter] = name.trim();
  return (
    <span class={`avatar c${sum % COLOURS}${size}`} aria-hidden="true">
      {(letter ?? '?').toUpperCase()}
    </span>
  );
}
