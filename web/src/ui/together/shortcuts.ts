// Keys that hold wherever one is in the chat. What must not live here: keys on a message (hands.ts), and where one writes
// (composer.tsx).
import { go, route } from '../route';
import { listed } from '../state';
import { finding } from './wishes';

const isWritten = (target: EventTarget | null) => target instanceof Element && target.closest('input, textarea, select, [contenteditable]') !== null;

function step(by: number): void {
  const at = route.value.page === 'talk' ? route.value.id : '';
  const all = listed.value;
  const now = all.findIndex((record) => record.id === at || record.peer === at);
  const next = all[now < 0 ? 0 : Math.min(Math.max(now + by, 0), all.length - 1)];
  if (next) go(`/c/${next.id}`, now >= 0);
}

export function shortcut(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return;
  const command = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
  const key = event.key.toLowerCase();
  const dialog = document.querySelector('dialog[open]') !== null;
  // Asked for twice, the browser's own search is meant.
  if (command && (key === 'k' || (key === 'f' && route.value.page === 'talk' && !dialog))) {
    event.preventDefault();
    if (!dialog) finding.value = key === 'k' ? 'all' : 'here';
  } else if (dialog) return;
  else if (event.altKey && !event.ctrlKey && (key === 'arrowup' || key === 'arrowdown')) {
    event.preventDefault();
    step(key === 'arrowup' ? -1 : 1);
  } else if (event.key === '?' && !isWritten(event.target)) {
    event.preventDefault();
    finding.value = 'keys';
  } else if (event.key === 'Escape' && route.value.page === 'talk' && route.value.side && !isWritten(event.target)) {
    go(`/c/${route.value.id}`, true);
  }
}
