// How far a message of one's own has come; in a group a button that says who has read it. What must not live here: the list of
// them (readers.tsx), which is fetched when it is asked for.
import { computed, type ReadonlySignal, signal } from '@preact/signals';
import type { FunctionComponent } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { words } from '../../i18n';
import { conversations, hidesReads } from '../state';

export interface Asked {
  conversation: string;
  seq: number;
}
export const asked = signal<Asked | undefined>(undefined);

const listed = new Map<string, ReadonlySignal<boolean>>();

/** Whether it may be asked who has read something there: known apart, since a conversation changes with every word that is said in it. */
function tellsReaders(conversation: string): boolean {
  let one = listed.get(conversation);
  if (!one) {
    one = computed(() => {
      const record = conversations.value.get(conversation);
      return record !== undefined && record.kind !== 'direct' && record.read_lists !== false;
    });
    listed.set(conversation, one);
  }
  return one.value;
}

export function ReadMark({ conversation, seq, read: known }: Asked & { read: boolean }) {
  const read = known && !hidesReads.value;
  const { read: isRead, sent, whoRead } = words.value;
  const text = read ? isRead : sent;
  const inside = read ? '✓✓' : '✓';
  if (!tellsReaders(conversation) || hidesReads.value) {
    return (
      <span class="state" role="img" aria-label={text} title={text}>
        {inside}
      </span>
    );
  }
  return (
    <button type="button" class="state" aria-label={text} title={whoRead} onClick={() => (asked.value = { conversation, seq })}>
      {inside}
    </button>
  );
}

/** The list, once somebody wants it. */
export function ReadersPlace() {
  const [List, setList] = useState<FunctionComponent<Asked & { close: () => void }>>();
  const about = asked.value;
  useEffect(() => {
    // What could not be fetched is not there any more: the page says so itself.
    if (about && !List) import('./readers').then(({ Readers }) => setList(() => Readers)).catch(() => {});
  }, [about]);
  return about && List ? <List {...about} close={() => (asked.value = undefined)} /> : null;
}
