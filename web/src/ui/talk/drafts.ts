// What one has begun to write, by conversation: on this device at once, on the server a moment later, and so on one's other
// devices. What must not live here: where it is written (composer.tsx).
//
// When two devices wrote without hearing of each other, the text under one's hands stays, and is the newest on the server from
// then on; what the other device had is kept beside it, to be taken up or thrown away. Nothing that was written is lost.
import { effect, signal, untracked } from '@preact/signals';
import { Refused } from '../../engine/refusal';
import type { Draft, Kept } from '../../proto';
import { engine, line, me, settled, told } from '../state';
import { EMPTY, isPutAway, type LocalDraft, met, type StoredDraft } from './draft';

/** How long one pauses before the server is told: each write goes to its disk. */
const PAUSE_MS = 1_500;
/** The server takes 4,096 bytes; more stays on this device. */
const MOST_BYTES = 4_096;

/** Raised when a draft changed by other hands than those that write it. */
export const drafts = signal<ReadonlyMap<string, LocalDraft>>(new Map());
/** Counts up when the text of a composer changed by other hands than those that write in it. */
export const put = signal<{ to: string; n: number; focus: boolean }>({ to: '', n: 0, focus: false });

const place = (id: string) => `kinglet-draft:${me.value}:${id}`;

function read(stored: string | null): StoredDraft | undefined {
  try {
    const draft = JSON.parse(stored ?? '') as StoredDraft;
    return typeof draft.text === 'string' ? draft : undefined;
  } catch {
    return undefined;
  }
}

/** `away` is told to the other tabs alone. */
const here = ({ away: _, ...draft }: StoredDraft): LocalDraft => draft;

function write(id: string, draft: LocalDraft, away = false): void {
  const all = new Map(drafts.peek());
  if (!draft.text && !draft.dirty && !draft.other && draft.reply_to === undefined) {
    all.delete(id);
    localStorage.removeItem(place(id));
  } else {
    all.set(id, draft);
    try {
      localStorage.setItem(place(id), JSON.stringify(away ? ({ ...draft, away } satisfies StoredDraft) : draft));
    } catch {
      // No room: it stays in this page, and goes to the server. An older text in its place would look like another tab's.
      localStorage.removeItem(place(id));
    }
  }
  drafts.value = all;
}

export const draftOf = (id: string): LocalDraft => drafts.value.get(id) ?? EMPTY;
const now = (id: string): LocalDraft => drafts.peek().get(id) ?? EMPTY;

const timers = new Map<string, ReturnType<typeof setTimeout>>();

/** At each key. */
export function begun(id: string, text: string, reply_to?: number): void {
  const { reply_to: _, ...before } = now(id);
  write(id, { ...before, text, dirty: true, ...(reply_to === undefined ? {} : { reply_to }) }, !text);
  soon(id, PAUSE_MS);
}

function soon(id: string, after: number): void {
  clearTimeout(timers.get(id));
  timers.set(id, setTimeout(() => void tell(id), after));
}

/** From elsewhere than the keyboard: a failed message to be edited, what another device had. */
export function putDraft(id: string, text: string): void {
  const before = now(id).text;
  begun(id, before.trim() && before !== text ? `${before}\n${text}` : text);
  changed(id, true);
}

function changed(id: string, focus = false): void {
  put.value = { to: id, n: put.peek().n + 1, focus };
}

/** The first words to a person made a conversation: what was begun since goes along. */
export function moveDraft(from: string, to: string): void {
  const { text } = now(from);
  if (!text) return;
  write(from, { ...EMPTY, dirty: true }, true);
  write(from, EMPTY);
  putDraft(to, text);
}

/** Takes up what the other device had, or throws it away. */
export function settleOther(id: string, take: boolean): void {
  const { other, ...draft } = now(id);
  write(id, draft);
  if (take && other) putDraft(id, other);
}

/** The conversation is left, or the page is. */
export function paused(id: string): void {
  clearTimeout(timers.get(id));
  void tell(id);
}

/** A person with whom there is no conversation yet has drafts on this device only. */
const isShared = (id: string) => id.startsWith('c');
const bytes = (text: string) => new TextEncoder().encode(text).length;

const isOnline = () => line.value === 'online' || line.value === 'fallback';

/** Whether another tab has written on, which this one has not heard of yet: it tells the server itself. */
function isBehind(id: string, text: string): boolean {
  const stored = read(localStorage.getItem(place(id)));
  return stored !== undefined && stored.text !== text;
}

async function tell(id: string): Promise<void> {
  const draft = now(id);
  const online = isOnline() && settled.value;
  if (isBehind(id, draft.text)) return;
  if (!draft.dirty || !isShared(id) || !online || bytes(draft.text) > MOST_BYTES) return;
  const value: Draft | undefined = draft.text ? { text: draft.text, ...(draft.reply_to === undefined ? {} : { reply_to: draft.reply_to }) } : undefined;
  write(id, { ...draft, sent: draft.text });
  try {
    await engine().setNow({ key: 'draft', conversation: id, ...(value ? { value } : {}) });
  } catch (error) {
    // It is here, and is told when the line is back or one writes on.
    if (error instanceof Refused && error.retryAfter !== undefined) soon(id, error.retryAfter + PAUSE_MS);
    return;
  }
  const after = now(id);
  if (after.text !== draft.text || after.reply_to !== draft.reply_to || isBehind(id, after.text)) return;
  const { dirty: _, sent: __, ...clean } = after;
  write(id, clean);
}

/** Told by the server, here or while this device was away. */
function hear(told: Kept & { key: 'draft' }): void {
  const id = told.conversation;
  const mine = drafts.peek().get(id);
  const next = met(mine, told);
  if (!next) return;
  write(id, next);
  if (next.text !== (mine?.text ?? '')) changed(id);
}

function readHere(): void {
  const prefix = place('');
  const all = new Map<string, LocalDraft>();
  for (let at = 0; at < localStorage.length; at += 1) {
    const key = localStorage.key(at) ?? '';
    const draft = key.startsWith(prefix) ? read(localStorage.getItem(key)) : undefined;
    if (draft) all.set(key.slice(prefix.length), here(draft));
  }
  drafts.value = all;
}

/** Another tab wrote. */
function otherTab(event: StorageEvent): void {
  const prefix = place('');
  if (!event.key?.startsWith(prefix)) return;
  const id = event.key.slice(prefix.length);
  const all = new Map(drafts.value);
  const draft = read(event.newValue);
  const mine = all.get(id);
  if (mine && !draft?.text && !isPutAway(mine, read(event.oldValue), draft)) {
    // It is to outlive this page, and the other tab has to hear of it.
    write(id, mine);
    return;
  }
  if (draft) all.set(id, here(draft));
  else all.delete(id);
  drafts.value = all;
  changed(id);
}

export function keepDrafts(): void {
  effect(() => {
    if (me.value) untracked(readHere);
  });
  effect(() => {
    const all = me.value ? [...told.value.values()] : [];
    untracked(() => {
      for (const kept of all) if (kept.key === 'draft') hear(kept);
    });
  });
  effect(() => {
    if (isOnline() && settled.value) untracked(tellAll);
  });
  addEventListener('storage', otherTab);
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) tellAll();
  });
}

function tellAll(): void {
  for (const [id, draft] of drafts.peek()) if (draft.dirty) paused(id);
}
