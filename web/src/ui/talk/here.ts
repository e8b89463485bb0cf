// When this device last had a line to the server, and that the browser keeps what is written here. What must not live here: the
// line.
import { effect } from '@preact/signals';
import { line, outbox } from '../state';

const LAST = 'kinglet-last-here';
const ASKED = 'kinglet-asked-to-keep';
const AGAIN_MS = 30 * 86_400_000;

export function lastHere(): number | undefined {
  return Number(localStorage.getItem(LAST)) || undefined;
}

export function keepHere(): void {
  effect(() => {
    const isHere = line.value === 'online' || line.value === 'fallback';
    if (isHere) localStorage.setItem(LAST, String(Date.now()));
  });
  effect(() => {
    if (outbox.value.length && !document.hidden) void keepStorage();
  });
}

/**
 * Asked when somebody has written something, since from then on there is something to lose; some browsers ask the person. Who
 * said no is left in peace for a month.
 */
async function keepStorage(): Promise<void> {
  const { storage } = navigator;
  if (!storage?.persist || Date.now() - Number(localStorage.getItem(ASKED)) < AGAIN_MS) return;
  localStorage.setItem(ASKED, String(Date.now()));
  if (!(await storage.persisted().catch(() => true))) await storage.persist().catch(() => false);
}
