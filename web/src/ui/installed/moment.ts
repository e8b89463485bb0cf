// When it is a good moment to speak of installing: on a phone or desktop that can, to somebody who came back on another day
// and has talked. What must not live here: what is said (hint.tsx).
import { installPrompt } from './begin';

/** A no that holds. */
export const DECLINED = 'kinglet-install-declined';
const FIRST = 'kinglet-first-day';
const DAY_MS = 86_400_000;

/** Those of Apple have no question of their own, and no other sign that they can. */
const appleCan = () =>
  (/iPhone|iPad|iPod/.test(navigator.userAgent) || (navigator.userAgent.includes('Macintosh') && navigator.maxTouchPoints > 1)) &&
  (navigator as { standalone?: boolean }).standalone === false;

export function isGoodMoment(talks: number, now = Date.now()): boolean {
  const first = Number(localStorage.getItem(FIRST));
  if (!first) localStorage.setItem(FIRST, String(now));
  if (!first || now - first < DAY_MS || talks === 0 || localStorage.getItem(DECLINED)) return false;
  return isSecureContext && (installPrompt.value !== undefined || appleCan());
}
