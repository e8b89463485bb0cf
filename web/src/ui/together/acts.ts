// What one does with a message, as commands of the outbox, and what is being answered, changed or chosen meanwhile. What must not
// live here: how it is offered (menu.tsx), and what it looks like until it is done (pending.ts).
import type { ConversationRecord, Entry } from '../../engine/records';
import { go } from '../route';
import { conversations, engine, me } from '../state';
import { hasReacted, overlaid } from './overlay';
import { pending } from './pending';
import { chosen, placeOf } from './wishes';

export * from './wishes';

const recordOf = (entry: Entry): ConversationRecord | undefined => conversations.value.get(entry.conversation);
const threadOf = (entry: Entry) => (entry.event.kind === 'message' ? (entry.event.thread ?? undefined) : undefined);

/** The place where one replies to it: what is shown in a thread gets its reply there. */
export function placeFor(entry: Entry, el: HTMLElement): string {
  return placeOf(entry.conversation, el.closest('.side') ? (threadOf(entry) ?? entry.seq) : undefined);
}

export interface May {
  reply: boolean;
  react: boolean;
  edit: boolean;
  recall: boolean;
  pin: boolean;
  report: boolean;
  thread: boolean;
  forward: boolean;
}

/** What the rules allow as far as this device knows them; the server has the last word. */
export function may(entry: Entry): May {
  const record = recordOf(entry);
  const there = !entry.erased && entry.event.kind === 'message' && record !== undefined && !record.gone;
  const mine = entry.event.by === me.value;
  const direct = record?.kind === 'direct';
  const leads = !direct && record !== undefined && record.role !== 'member';
  const posts = record !== undefined && (leads || (record.kind !== 'channel' && !record.mute_all));
  const says = leads || (record !== undefined && !record.mute_all);
  return {
    reply: there && posts,
    react: there && says,
    edit: there && says && mine && (entry.body?.kind === 'text' || (entry.body !== undefined && entry.body.kind !== 'opaque')),
    recall: there && (mine || leads),
    pin: there && (direct || leads || record?.members_pin === true),
    report: there && !mine,
    thread: there && posts && !direct,
    forward: there,
  };
}

async function post(entry: Entry, change: { type: string } & Record<string, unknown>): Promise<void> {
  const record = recordOf(entry);
  if (record) await engine().post(record, { ...change, target: entry.seq });
}

export function react(entry: Entry, emoji: string): Promise<void> {
  const rows = pending.value.get(`${entry.conversation}/${entry.seq}`);
  const remove = hasReacted(overlaid(entry, rows, me.value).entry, emoji, me.value);
  return post(entry, { type: 'react', emoji, ...(remove ? { remove } : {}) });
}

/** For a moment it can be taken back. */
export async function recall(entry: Entry): Promise<void> {
  const record = recordOf(entry);
  if (record) await engine().hold(record, { type: 'recall', target: entry.seq });
}

export const pin = (entry: Entry, on: boolean): Promise<void> => post(entry, { type: on ? 'pin' : 'unpin' });

export function linkTo(entry: Entry): string {
  return `${location.origin}/c/${entry.conversation}/${entry.seq}`;
}

export function openThread(entry: Entry): void {
  go(`/c/${entry.conversation}/${threadOf(entry) ?? entry.seq}#thread`);
}

export function choose(entry: Entry): void {
  const now = chosen.value?.conversation === entry.conversation ? new Set(chosen.value.seqs) : new Set<number>();
  if (!now.delete(entry.seq)) now.add(entry.seq);
  chosen.value = now.size ? { conversation: entry.conversation, seqs: now } : undefined;
}

/** Without a secure context there is no clipboard, but the old way. */
export async function copy(text: string): Promise<boolean> {
  try {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(text);
      return true;
    }
  } catch {
    // Not allowed: the old way may be.
  }
  const box = document.createElement('textarea');
  box.value = text;
  box.className = 'unseen';
  (document.querySelector('dialog[open]') ?? document.body).append(box);
  box.select();
  const done = document.execCommand('copy');
  box.remove();
  return done;
}
