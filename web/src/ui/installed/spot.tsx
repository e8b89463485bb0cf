// Where pages have room for what belongs to this device: the invitation to install, at a good moment, and the device's own page.
// What must not live here: what they say (hint.tsx, device.tsx), which is loaded when it is wanted.
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { words } from '../../i18n';
import { Window } from '../dialogs';
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

export function DeviceDialog({ close }: { close: () => void }) {
  const [Page, setPage] = useState<ComponentType>();
  useEffect(() => void import('./device').then(({ ThisDevice }) => setPage(() => ThisDevice), close), []);
  return (
    <Window title={words.value.thisDevice} close={close}>
      {Page ? <Page /> : <p role="status">{words.value.working}</p>}
    </Window>
  );
}
