// What to do before joining where this browser is not the place for it: inside another app, or in Safari on a phone whose
// installed app shares nothing with it. What must not live here: how such a browser is told apart (device.ts).
import { firstWords } from '../../i18n/first';
import { CopyLink, Sheet } from '../parts';
import type { Inside } from './device';
import './first.css';

export function InsideApp({ inside }: { inside: Inside }) {
  const { inAppTitle, inAppLead, inAppSteps, inAppWords } = firstWords.value;
  return (
    <aside class="note" aria-label={inAppTitle}>
      <h2>{inAppTitle}</h2>
      <p>{inAppLead}</p>
      <p>
        <strong>{inAppSteps[inside]}</strong>
      </p>
      <p>{inAppWords}</p>
      <CopyLink link={location.href} />
    </aside>
  );
}

/** As people read it aloud and type it. */
const shown = (code: string) => code.replace(/[^0-9A-Za-z]/g, '').match(/.{1,4}/g)?.join('-') ?? '';

export function InstallFirst({ title, code, here }: { title: string; code: string; here: () => void }) {
  const w = firstWords.value;
  return (
    <Sheet title={title}>
      <h2>{w.installTitle}</h2>
      <p>{w.installLead}</p>
      <ol class="steps">
        {w.installSteps.map((step) => (
          <li key={step}>{step}</li>
        ))}
      </ol>
      <CopyLink link={shown(code)} label={w.installCode} button={w.installCopy} />
      <button type="button" class="quiet" onClick={here}>
        {w.installHere}
      </button>
    </Sheet>
  );
}
