// The threads that one follows, and what is new in them. What must not live here: how they are listed (side/lists.tsx).
import { computed, signal } from '@preact/signals';
import type { ThreadInfo } from '../../proto';
import { engine } from '../state';

export const followed = signal<readonly ThreadInfo[]>([]);
export const newInThreads = computed(() => followed.value.reduce((sum, thread) => sum + thread.unread, 0));

export async function readThreads(): Promise<void> {
  const reply = await engine().ask({ type: 'threads', limit: 100 });
  if (reply.type === 'threads') followed.value = reply.threads;
}
