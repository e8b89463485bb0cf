// A letter on a colour, the same for somebody everywhere. What must not live here: pictures.

const COLOURS = 8;

export function Avatar({ name, seed }: { name: string; seed: string }) {
  let sum = 0;
  for (const char of seed) sum = (sum * 31 + char.codePointAt(0)!) >>> 0;
  const [letter] = name.trim();
  return (
    <span class={`avatar c${sum % COLOURS}`} aria-hidden="true">
      {(letter ?? '?').toUpperCase()}
    </span>
  );
}
