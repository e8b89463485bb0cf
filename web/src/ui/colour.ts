// Which of the colours of avatar.css somebody has: the same everywhere, and evenly spread however alike ids are. What must not live
// here: the colours.

export const COLOURS = 24;

/** FNV-1a, then mixed once more (the finish of MurmurHash3), since its low bits alone follow the last letters. */
export function colourOf(seed: string): number {
  let hash = 0x811c9dc5;
  for (const char of seed) hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % COLOURS;
}
