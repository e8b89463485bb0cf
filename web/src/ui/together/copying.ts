// Messages as text for elsewhere. What must not live here: which are chosen (acts.ts).
import type { Entry } from '../../engine/records';
import { clock, date, words } from '../../i18n';
import { sameDay } from '../../i18n/days';
import { nameIn } from './members';

/** As it was written, with names instead of ids. */
export function asWritten(entry: Entry): string {
  const { body } = entry;
  if (!body || body.kind === 'opaque') return '';
  const text = body.kind === 'text' ? body.text : [body.name, body.caption].filter(Boolean).join('\n');
  return text.replace(/<@(u[0-9a-z]{10}|all)>/g, (_, user: string) => `@${user === 'all' ? words.value.everyone : nameIn(entry.conversation, user)}`);
}

/** Several: who said it and when stands before each; the day where it changes. */
export function together(entries: readonly Entry[]): string {
  const days = entries.some((entry) => !sameDay(entry.event.ts, entries[0]!.event.ts));
  let day: number | undefined;
  return entries
    .flatMap((entry) => {
      const { event } = entry;
      const fresh = days && (day === undefined || !sameDay(day, event.ts));
      day = event.ts;
      return [...(fresh ? [date(event.ts)] : []), `${nameIn(entry.conversation, event.by)}, ${clock(event.ts)}: ${asWritten(entry)}`];
    })
    .join('\n');
}
