// Reckoning for the pages of one's own: the square of a picture, times of day. What must not live here: drawing.

export interface Place {
  /** The picture's middle, from the square's, in parts of the square. */
  x: number;
  y: number;
  zoom: number;
}

/** The shorter side fills the square at zoom 1; no edge of the picture comes inside. */
export function within(place: Place, width: number, height: number): Place {
  const zoom = Math.min(4, Math.max(1, place.zoom));
  const least = Math.min(width, height);
  const most = (side: number) => Math.max(0, ((side / least) * zoom - 1) / 2);
  const hold = (value: number, bound: number) => Math.min(bound, Math.max(-bound, value));
  return { zoom, x: hold(place.x, most(width)), y: hold(place.y, most(height)) };
}

export const clockOf = (minutes: number) => `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;

/** Minutes after midnight; nothing for what is no time of day. */
export function minutesOf(text: string): number | undefined {
  const found = /^(\d{1,2}):(\d{2})/.exec(text);
  if (!found) return undefined;
  const minutes = Number(found[1]) * 60 + Number(found[2]);
  return minutes < 1_440 ? minutes : undefined;
}
