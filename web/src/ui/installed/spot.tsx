// Where the list of conversations has room for the invitation to install, at a good moment. What must not live here: what it
// says (hint.tsx), which is loaded when it is wanted.
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { listed } from '../state';
import { installPrompt } from './begin';
import { isGoodMoment } from './moment';

export function InstallSpot() {
  const [Hint, setHint] = useState<ComponentType>();
  const talks = listed.value.length;
  useEffect(() => {
    if (isGoodMoment(talks)) void import('./hint').then(({ InstallHint }) => setHint(() => InstallHint), () => {});
  }, [installPrompt.value, talks]);
  return Hint ? <Hint /> : null;
}
