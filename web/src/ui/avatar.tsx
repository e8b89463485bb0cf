// Somebody's picture, or a letter on a colour, the same for them everywhere. What must not live here: how pictures come.
import './avatar.css';
import { colourOf } from './colour';
import { usePicture } from './picture';
import { users } from './state';

export function Avatar({ name, seed, large }: { name: string; seed: string; large?: boolean }) {
  const picture = usePicture(users.value.get(seed)?.avatar);
  const size = large ? ' large' : '';
  if (picture) return <img class={`avatar${size}`} src={picture} alt="" aria-hidden="true" draggable={false} />;
  const [letter] = name.trim();
  return (
    <span class={`avatar c${colourOf(seed)}${size}`} aria-hidden="true">
      {(letter ?? '?').toUpperCase()}
    </span>
  );
}
