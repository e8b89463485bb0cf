// What one did to messages and the server has not confirmed yet, and what one set about them. What must not live here: what that
// makes of a message (overlay.ts), and what is sent when.
import { computed } from '@preact/signals';
import type { OutboxRow } from '../../engine/records';
import { outbox, settings } from '../state';

const ABOUT_MESSAGES = new Set(['edit', 'recall', 'react']);
const NONE: ReadonlyMap<string, OutboxRow[]> = new Map();

/** By message what is under way about it. The same map as long as there is nothing, so that nothing is drawn anew. */
export const pending = computed<ReadonlyMap<string, OutboxRow[]>>(() => {
  const rows = outbox.value.filter((row) => ABOUT_MESSAGES.has(row.change.type) && row.state !== 'failed');
  if (!rows.length) return NONE;
  const by = new Map<string, OutboxRow[]>();
  for (const row of rows) {
    const key = `${String(row.change.conversation)}/${String(row.change.target)}`;
    by.set(key, [...(by.get(key) ?? []), row]);
  }
  return by;
});

/** Messages about which one has set something; the same set as long as nothing changed. */
function marked(key: 'hidden' | 'saved') {
  let before: ReadonlySet<string> = new Set();
  return computed(() => {
    const now = new Set([...settings.value.values()].flatMap((one) => (one.key === key ? [`${one.conversation}/${one.seq}`] : [])));
    if (now.size !== before.size || [...now].some((one) => !before.has(one))) before = now;
    return before;
  });
}
/** Deleted for oneself. */
export const hidden = marked('hidden');
export const saved = marked('saved');
