// Who just types means to write: what is typed anywhere in a conversation goes to where one writes in it. What must not live here:
// keys that do something else (shortcuts.ts, hands.ts).
import { route } from '../route';

/** These have keys of their own, or are written in. */
const OWN = 'input, textarea, select, button, a, summary, audio, video, dialog, [contenteditable], .message, .side';

export function typed(event: KeyboardEvent): void {
  const command = event.ctrlKey || event.metaKey || event.altKey;
  const prints = [...event.key].length === 1 && event.key !== ' ' && event.key !== '?';
  if (event.defaultPrevented || event.isComposing || command || !prints || route.value.page !== 'talk') return;
  if (document.querySelector('dialog[open]') || (event.target instanceof Element && event.target.closest(OWN))) return;
  // The letter itself goes there, too, since the browser looks for its place only now.
  document.querySelector<HTMLElement>('.talk .composer textarea')?.focus();
}
