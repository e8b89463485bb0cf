// Where in a conversation one was, for who looks at another one, or follows a quote, and comes back. What must not live here: drafts,
// and what is unread; that comes first.
import { signal } from '@preact/signals';

export interface Place {
  seq: number;
  /** How far below the upper edge it stood. */
  top: number;
}

/** Of this page, as long as it is open. Those at the newest are not in it. */
const places = new Map<string, Place>();

export const placeIn = (conversation: string): Place | undefined => places.get(conversation);

export function keepPlace(conversation: string, place: Place | undefined): void {
  if (place) places.set(conversation, place);
  else places.delete(conversation);
}

/** Where one was before one followed a quote or found something in the same conversation. */
export const cameFrom = signal<{ conversation: string; place: Place } | undefined>(undefined);
