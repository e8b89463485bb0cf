// What the chat's frame has of working together: words about what was done, commands that were refused, and what is fetched when
// it is needed. What must not live here: the parts themselves.
import { useEffect, useLayoutEffect } from 'preact/hooks';
import { chosen, finding, passing, reporting, told, tracing } from './wishes';
import { lazy } from './lazy';
import { shortcut } from './shortcuts';

const Overlays = lazy(() => import('./overlays').then((part) => part.Overlays));
const Find = lazy(() => import('./find').then((part) => part.Find));
const Keys = lazy(() => import('./keys').then((part) => part.Keys));
const TOLD_MS = 4_000;

let lent: Promise<void> | undefined;

export function Together({ here }: { here: string | undefined }) {
  // From the first sight of the chat, since the browser has a meaning of its own for some; on the window, since hands.ts comes first.
  useLayoutEffect(() => {
    window.addEventListener('keydown', shortcut);
    return () => window.removeEventListener('keydown', shortcut);
  }, []);
  useEffect(() => {
    // A failed fetch is tried again when the chat is opened next.
    lent ??= import('./hands').then(
      ({ lendHands }) => lendHands(),
      () => {
        lent = undefined;
      },
    );
  }, []);
  const now = told.value;
  useEffect(() => {
    if (!now) return;
    const timer = setTimeout(() => {
      if (told.value === now) told.value = undefined;
    }, TOLD_MS);
    return () => clearTimeout(timer);
  }, [now]);
  const needed = chosen.value ?? passing.value ?? reporting.value ?? tracing.value;
  return (
    <>
      <p class={now ? 'told' : 'told none'} role="status">{now?.text ?? ''}</p>
      {needed && <Overlays />}
      {(finding.value === 'all' || finding.value === 'here') && <Find here={here} />}
      {finding.value === 'keys' && <Keys />}
    </>
  );
}
