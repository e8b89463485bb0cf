// When it is a good moment to speak of installing: on a phone or desktop that can, to somebody who came back on another day
// and has talked. What must not live here: what is said (hint.tsx).
import { installPrompt } from './begin';

/** A no that holds. */
export const DECLINED = 'kinglet-install-declined';
const FIRST = 'kinglet-first-day';
const DAY_MS = 86_400_000;

export const isInstalled = (): boolean =>
  matchMedia('(display-mode: standalone)').matches || (navigator as { standalone?: boolean }).standalone === true;
/** iPads say that they are Macs, but those have no touch screen. */
export const isApplePhone = (): boolean =>
  /iPhone|iPad|iPod/.test(navigator.userAgent) || (navigator.userAgent.includes('Macintosh') && navigator.maxTouchPoints > 1);
/** Safari there has no question of its own; of other apps only it says whether it is the installed one. */
const appleCan = () => isApplePhone() && (navigator as { standalone?: boolean }).standalone === false;

export function isGoodMoment(talks: number, now = Date.now()): boolean {
  const first = Number(localStorage.getItem(FIRST));
  if (!first) localStorage.setItem(FIRST, String(now));
  if (!first || now - first < DAY_MS || talks === 0 || localStorage.getItem(DECLINED)) return false;
  return canInstall();
}

export const canInstall = (): boolean => isSecureContext && !isInstalled() && (installPrompt.value !== undefined || appleCan());
