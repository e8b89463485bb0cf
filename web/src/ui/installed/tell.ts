// While a page holds the line, the server sends no push message: so the page tells of what comes while nobody looks, and takes
// notifications away once they are read. What must not live here: what is told by the push service (worker/push.ts).
import { effect } from '@preact/signals';
import type { ConversationRecord } from '../../engine/records';
import type { Told } from '../../worker/notice';
import { conversations, engine, me, personName, session, settings } from '../state';
import { plain } from '../text';
import { again, ability, telling } from './push';
import { wants } from './wishes';
import { workers } from './worker';

/** What is older was said while this device was away; it is there when one looks. */
const FRESH_MS = 60_000;
let begun = false;
let before: ReadonlyMap<string, ConversationRecord> = new Map();
/** By conversation the newest message that was told of, or not wanted. */
const told = new Map<string, number>();

export function begin(): void {
  if (begun) return;
  begun = true;
  before = conversations.peek();
  for (const { id, newest } of before.values()) told.set(id, newest?.seq ?? 0);
  void again().catch(() => {});
  effect(() => {
    const now = conversations.value;
    const was = before;
    before = now;
    if (!session.peek() || ability() !== 'on') return;
    for (const record of now.values()) {
      const old = was.get(record.id);
      if (isNews(record)) say(record, (record.unread_mentions ?? 0) > (old?.unread_mentions ?? 0));
      else if (old && old.unread > 0 && record.unread === 0) void takeAway(record.id);
    }
  });
}

/** Of a new conversation the message may be known before how it is called and how much of it is unread. */
function isNews({ id, newest, unread, gone, unnamed }: ConversationRecord): boolean {
  if (!newest || gone || unnamed || unread === 0 || newest.by === me.peek()) return false;
  return newest.seq > (told.get(id) ?? 0) && Date.now() - newest.ts < FRESH_MS;
}

function say(record: ConversationRecord, mentioned: boolean): void {
  const { newest, unread, kind, title, id } = record;
  const direct = kind === 'direct';
  if (!newest) return;
  told.set(id, newest.seq);
  if (!engine().leads || !wants(settings.peek(), { conversation: id, direct, mentioned }, Date.now())) return;
  const text = plain(newest.text, (user) => (user === 'all' ? user : personName(user)));
  const named = telling() === 'text' ? { name: personName(newest.by), ...(direct ? {} : { title }), ...(text ? { text } : {}) } : {};
  const message = { type: 'message' as const, conversation: id, seq: newest.seq, count: unread, ...named };
  workers()?.controller?.postMessage({ is: 'tell', message } satisfies Told);
}

async function takeAway(conversation: string): Promise<void> {
  const registration = await workers()?.getRegistration();
  for (const one of (await registration?.getNotifications({ tag: conversation })) ?? []) one.close();
}
