// Days by the clock of who looks, drafts that two devices wrote, and what of a page has to be drawn again. What must not live
// here: pages.
import { afterEach, expect, test } from 'vitest';
import { folded } from '../../src/engine/entry';
import { isYesterday, nextMidnight, sameDay } from '../../src/i18n/days';
import type { Entry } from '../../src/engine/records';
import type { Kept } from '../../src/proto';
import { isPutAway, type LocalDraft, met } from '../../src/ui/talk/draft';
import { kept } from '../../src/ui/talk/kept';
import { BOB, event, message, TALK } from '../kit/events';

const zone = process.env.TZ;
afterEach(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

const at = (text: string) => Date.parse(text);

test('a day ends at midnight by the clock of who looks, whatever the zone', () => {
  const before = at('2026-01-14T22:59:59.999Z');
  const after = at('2026-01-14T23:00:00Z');
  process.env.TZ = 'Europe/Berlin';
  expect(sameDay(before, after)).toBe(false);
  expect(isYesterday(before, after)).toBe(true);
  expect(nextMidnight(before)).toBe(after);
  process.env.TZ = 'Asia/Shanghai';
  expect(sameDay(before, after)).toBe(true);
  process.env.TZ = 'America/St_Johns';
  expect(sameDay(at('2026-01-15T03:29:00Z'), at('2026-01-15T03:31:00Z'))).toBe(false);
});

test('days of 23 and of 25 hours are days, and so is one that has no midnight', () => {
  process.env.TZ = 'Europe/Berlin';
  const spring = at('2026-03-28T23:30:00Z');
  expect(nextMidnight(spring)).toBe(at('2026-03-29T22:00:00Z'));
  expect(isYesterday(spring, at('2026-03-29T22:00:00Z'))).toBe(true);
  // Half past two comes twice.
  expect(sameDay(at('2026-10-25T00:30:00Z'), at('2026-10-25T01:30:00Z'))).toBe(true);
  expect(nextMidnight(at('2026-10-24T22:30:00Z'))).toBe(at('2026-10-25T23:00:00Z'));
  expect(isYesterday(at('2026-10-24T22:10:00Z'), at('2026-10-25T23:10:00Z'))).toBe(true);
  // In Cairo the clock is put forward at midnight itself: that day begins at one o'clock.
  process.env.TZ = 'Africa/Cairo';
  expect(sameDay(at('2026-04-23T21:59:00Z'), at('2026-04-23T22:01:00Z'))).toBe(false);
  expect(isYesterday(at('2026-04-23T21:59:00Z'), at('2026-04-23T22:01:00Z'))).toBe(true);
});

const told = (change: number, text?: string) => ({ key: 'draft', conversation: TALK, change, ...(text ? { value: { text } } : {}) }) as Kept & { key: 'draft' };
const here = (draft: Partial<LocalDraft>): LocalDraft => ({ text: '', base: 0, ...draft });

test('a draft of another device is taken over where nothing was written here', () => {
  expect(met(undefined, told(5, 'theirs'))).toEqual({ text: 'theirs', base: 5 });
  expect(met(here({ text: 'old', base: 5 }), told(6))).toEqual({ text: '', base: 6 });
  expect(met(here({ text: 'newer', base: 6 }), told(5, 'older'))).toBeUndefined();
});

test('where both were written what is here stays, and what was there is kept beside it', () => {
  expect(met(here({ text: 'mine', base: 4, dirty: true }), told(5, 'theirs'))).toEqual({ text: 'mine', base: 5, dirty: true, other: 'theirs' });
  // Sent from here while the line was gone: what was begun elsewhere meanwhile comes.
  expect(met(here({ text: '', base: 4, dirty: true }), told(5, 'theirs'))).toEqual({ text: 'theirs', base: 5 });
  // Nothing is lost by these.
  expect(met(here({ text: 'mine and more', base: 4, dirty: true }), told(5, 'mine'))).toEqual({ text: 'mine and more', base: 5, dirty: true });
  expect(met(here({ text: 'mine', base: 4, dirty: true }), told(5))).toEqual({ text: 'mine', base: 5, dirty: true });
});

test('hearing back what this device said is no news, even when it was changed since', () => {
  const now = here({ text: 'other words', base: 4, dirty: true, sent: 'first words' });
  expect(met(now, told(5, 'first words'))).toEqual({ ...now, base: 5 });
});

test('what did not change is the same object, and what did is not', () => {
  const entry = (seq: number, more: Partial<Entry> = {}): Entry => ({ conversation: TALK, seq, event: message(seq, `m${seq}`, seq), ...more });
  const before = [entry(1), entry(2), entry(3, { reactions: { '👍': { [BOB]: 4 } } }), entry(4)];
  const now = [entry(2), entry(3, { reactions: { '👍': { [BOB]: -5 } } }), entry(4, { edited: 6 }), entry(5)];
  const next = kept(before, now);
  expect(next[0]).toBe(before[1]);
  expect(next[1]).toBe(now[1]);
  expect(next[2]).toBe(now[2]);
  expect(next[3]).toBe(now[3]);
});

test('a page that is only looked at shows what later events made of it', () => {
  const events = [message(1, 'one', 1), message(2, 'two', 2), message(3, 'three', 3), event(4, 'edited', { target: 1, body: { kind: 'text', text: 'uno' } }), event(5, 'pinned', { target: 1 })];
  const annotations = [event(9, 'recalled', { target: 2 }), event(10, 'reaction', { target: 3, emoji: '👍' })];
  const [one, two, three, ...rest] = folded([...events, ...annotations]);
  expect(rest.map(({ event }) => event.kind)).toEqual(['pinned']);
  expect(one).toMatchObject({ body: { text: 'uno' }, edited: 4 });
  expect(two).toMatchObject({ erased: true });
  expect(two?.body).toBeUndefined();
  expect(three?.reactions).toEqual({ '👍': { [BOB]: 10 } });
});

test('what another tab puts away takes along what is the same here, and not what was begun since', () => {
  const here = { text: 'begun since', base: 0, dirty: true };
  const away = { text: '', base: 0, dirty: true, away: true };
  expect(isPutAway(here, { text: '', base: 0 }, away)).toBe(false);
  expect(isPutAway(here, { text: 'begun', base: 0 }, away)).toBe(false);
  expect(isPutAway(here, { ...here }, away)).toBe(true);
  expect([isPutAway(undefined, undefined, undefined), isPutAway({ text: 'told', base: 4 }, { text: 'x', base: 0 }, undefined)]).toEqual([true, true]);
  // It tidied up what was sent before, and had not heard of this yet.
  expect(isPutAway(here, { ...here }, undefined)).toBe(false);
  expect(isPutAway(here, { ...here }, { text: '', base: 0, dirty: true, sent: '' })).toBe(false);
});
