// The threads that one follows, and what is new in them. What must not live here: how they are listed (side/lists.tsx).
import { computed, signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { ThreadInfo } from '../../proto';
import { conversations, engine, line } from '../state';

const PAUSE_MS = 600;

export const followed = signal<readonly ThreadInfo[]>([]);
/** Changes when something was written in some thread, wherever. */
const written = computed(() => [...conversations.value.values()].reduce((sum, record) => sum + (record.threads ?? 0), 0));

export async function readThreads(): Promise<void> {
  const reply = await engine().ask({ type: 'threads', limit: 100 });
  if (reply.type === 'threads') followed.value = reply.threads;
}

/** How much is new in the threads of a conversation that one follows. */
export function useNewIn(conversation: string): number {
  const online = line.value === 'online' || line.value === 'fallback';
  const change = written.value;
  useEffect(() => {
    if (!online) return;
    const timer = setTimeout(() => void readThreads().catch(() => {}), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [online, change]);
  return followed.value.reduce((sum, thread) => sum + (thread.conversation === conversation ? thread.unread : 0), 0);
}
