// Which messages are pinned where. What must not live here: their list (side/pins.tsx).
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { edited } from '../../engine/look';
import type { ConversationRecord, Entry } from '../../engine/records';
import type { Pin } from '../../proto';
import { engine, line, outbox } from '../state';

export interface Pinned {
  pins: Pin[];
  entries: Map<number, Entry>;
  next: number | undefined;
}

export const pinned = signal<ReadonlyMap<string, Pinned>>(new Map());

export async function readPins(conversation: string, before?: number): Promise<void> {
  const reply = await engine().ask({ type: 'pins', conversation, ...(before ? { before } : {}) });
  if (reply.type !== 'pins') return;
  const old = before ? pinned.value.get(conversation) : undefined;
  const entries = new Map(old?.entries);
  for (const entry of edited(reply.events, reply.edits ?? [])) entries.set(entry.seq, entry);
  pinned.value = new Map(pinned.value).set(conversation, { pins: [...(old?.pins ?? []), ...reply.pins], entries, next: reply.next ?? undefined });
}

/** Asked for when a conversation is opened, and whenever its log says that pins changed. */
export function usePins(record: ConversationRecord | undefined): Pinned | undefined {
  const online = line.value === 'online' || line.value === 'fallback';
  useEffect(() => {
    if (record && !record.gone && online) void readPins(record.id).catch(() => {});
  }, [record?.id, record?.pins, record?.gone, online]);
  return record ? pinned.value.get(record.id) : undefined;
}

/** What waits to be sent counts. */
export function isPinned(entry: Entry): boolean {
  const row = outbox.value.findLast(({ change, state }) => state !== 'failed' && change.conversation === entry.conversation && change.target === entry.seq && (change.type === 'pin' || change.type === 'unpin'));
  if (row) return row.change.type === 'pin';
  return pinned.value.get(entry.conversation)?.pins.some((pin) => pin.target === entry.seq) ?? false;
}
