// Days as a person picks them in a field, as moments. What must not live here: how days are written (i18n).

/** When the day begins where one is, or so many days later; nothing for what is no day. */
export function dayBegins(day: string, later = 0): number | undefined {
  const found = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day);
  if (!found) return undefined;
  // By the calendar, since not every day has 24 hours.
  const at = new Date(Number(found[1]), Number(found[2]) - 1, Number(found[3]) + later).getTime();
  return at < 0 ? 0 : at;
}
