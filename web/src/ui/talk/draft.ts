// A draft, and what becomes of it when another device has written, too. What must not live here: where drafts are kept.
import type { Kept } from '../../proto';

export interface LocalDraft {
  text: string;
  reply_to?: number;
  /** The server has not heard of it yet. */
  dirty?: boolean;
  /** The change of the server's word that this is, or was written over. */
  base: number;
  /** What this device last told the server: hearing it back is no news. */
  sent?: string;
  /** What another device had when this one wrote over it. */
  other?: string;
}

/** As it is kept for this page's successor, and for the other tabs. */
export interface StoredDraft extends LocalDraft {
  /** Its text was sent or wiped by this very write. */
  away?: boolean;
}

export const EMPTY: LocalDraft = { text: '', base: 0 };

/** What becomes of the draft here when the server says what another device has; undefined if nothing does. */
export function met(mine: LocalDraft | undefined, told: Kept & { key: 'draft' }): LocalDraft | undefined {
  const here = mine ?? EMPTY;
  if (told.change <= here.base) return undefined;
  const text = told.value?.text ?? '';
  if (here.dirty && text === here.sent) return { ...here, base: told.change };
  const reply = told.value?.reply_to ?? undefined;
  const theirs: LocalDraft = { text, base: told.change, ...(reply === undefined ? {} : { reply_to: reply }), ...(here.other ? { other: here.other } : {}) };
  if (!here.dirty || here.text === text || !here.text) return theirs;
  // Nothing was begun there, or it was only finished here: what is here stays.
  if (!text || here.text.startsWith(text)) return { ...here, base: told.change };
  return { ...here, base: told.change, other: text };
}

/**
 * Whether what another tab wrote in the place of `before`, `next` without text or nothing, takes along what is here. Only what one
 * puts away there does, if it is the same as here. All else tidies up after the server was told, by a tab that may not have heard
 * yet what is begun here.
 */
export function isPutAway(mine: LocalDraft | undefined, before: StoredDraft | undefined, next: StoredDraft | undefined): boolean {
  if (!mine?.dirty || !mine.text) return true;
  return mine.text === before?.text && next?.away === true;
}
