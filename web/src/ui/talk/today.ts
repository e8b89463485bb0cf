// Which day it is, for who leaves the page open over midnight. What must not live here: how days are called (i18n).
import { signal } from '@preact/signals';
import { nextMidnight } from '../../i18n/days';

/** Some moment of today by the clock here. */
export const today = signal(Date.now());

/** A timer may be late by the time that a laptop slept, so whoever looks again looks at the clock, too. */
export function keepDays(): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    today.value = Date.now();
    clearTimeout(timer);
    timer = setTimeout(look, nextMidnight(Date.now()) - Date.now() + 500);
  };
  look();
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && nextMidnight(today.value) <= Date.now()) look();
  });
}
