// What one is notified of, and when not. What must not live here: push of this device.
import { useState } from 'preact/hooks';
import { desk } from '../../i18n/desk';
import { mine } from '../../i18n/mine';
import type { Kept, NotifyLevel, Quiet, QuietHours, Weekday } from '../../proto';
import { keep, mySettings } from '../admin/http';
import { Choice, Loaded, Page, Part, Said, Switch, Table, Text, useAct, useLoad } from '../admin/parts';
import { conversations, titleOf } from '../state';
import { clockOf, minutesOf } from './plain';

const WEEK: readonly Weekday[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const NIGHT: QuietHours = { days: [...WEEK], from: 22 * 60, to: 7 * 60 };
const STRETCHES = 14;

interface Exception {
  conversation: string;
  level: NotifyLevel;
}

interface Held {
  level: NotifyLevel;
  exceptions: Exception[];
  quiet: Quiet | undefined;
}

async function held(): Promise<Held> {
  const now: Held = { level: 'all', exceptions: [], quiet: undefined };
  for (const one of await mySettings()) read(now, one);
  return now;
}

function read(now: Held, one: Kept): void {
  if (one.key === 'quiet' && one.value) now.quiet = one.value;
  if (one.key !== 'notify' || !one.value) return;
  if (one.value.until && one.value.until < Date.now()) return;
  if (one.conversation) now.exceptions.push({ conversation: one.conversation, level: one.value.level });
  else now.level = one.value.level;
}

export function Notifications() {
  const load = useLoad(held);
  return (
    <Page title={mine.value.notifications} back="/me">
      <Loaded from={load}>
        {(now) => (
          <>
            <Level now={now} put={load.put} />
            <QuietEditor held={now.quiet} />
            <Exceptions now={now} put={load.put} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Level({ now, put }: { now: Held; put: (now: Held) => void }) {
  const { run, wrong } = useAct();
  const [said, setSaid] = useState('');
  const set = (level: NotifyLevel) =>
    run(async () => {
      setSaid('');
      put({ ...now, level });
      try {
        await keep(level === 'all' ? { key: 'notify' } : { key: 'notify', value: { level } });
      } catch (error) {
        put(now);
        throw error;
      }
      setSaid(desk.value.saved);
    });
  const { level, levels } = mine.value;
  return (
    <div>
      <Choice legend={level} value={now.level} set={(one) => void set(one)} options={[['all', levels.all], ['mentions', levels.mentions], ['none', levels.none]]} />
      <p class="wrong" role="alert">
        {wrong}
      </p>
      <Said text={said} />
    </div>
  );
}

function Exceptions({ now, put }: { now: Held; put: (now: Held) => void }) {
  const { run, wrong } = useAct();
  const clear = (conversation: string) =>
    run(async () => {
      await keep({ key: 'notify', conversation });
      put({ ...now, exceptions: now.exceptions.filter((one) => one.conversation !== conversation) });
    });
  const { exceptions, exceptionsHint, noExceptions, conversation, setting, levels, asUsual } = mine.value;
  const titled = (id: string) => {
    const record = conversations.value.get(id);
    return record ? titleOf(record) : id;
  };
  const columns = [
    { name: conversation, head: true, of: (one: Exception) => titled(one.conversation) },
    { name: setting, of: (one: Exception) => levels[one.level] },
    {
      name: '',
      of: (one: Exception) => (
        <div class="choices">
          <button type="button" class="small" onClick={() => void clear(one.conversation)}>
            {asUsual}
          </button>
        </div>
      ),
    },
  ];
  return (
    <Part title={exceptions} hint={exceptionsHint}>
      <Table label={exceptions} columns={columns} rows={now.exceptions} keyOf={(one) => one.conversation} empty={noExceptions} />
      <p class="wrong" role="alert">
        {wrong}
      </p>
    </Part>
  );
}

function QuietEditor({ held: kept }: { held: Quiet | undefined }) {
  const zone = kept?.zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  const [hours, setHours] = useState<QuietHours[]>(kept?.hours ?? []);
  const [said, setSaid] = useState('');
  const { busy, wrong, run } = useAct();
  const save = (next: QuietHours[]) =>
    run(async () => {
      setSaid('');
      const whole = next.filter((one) => one.days.length > 0);
      await keep(whole.length ? { key: 'quiet', value: { zone, hours: whole } } : { key: 'quiet' });
      setSaid(desk.value.saved);
    });
  const change = (at: number, to: QuietHours) => {
    setSaid('');
    setHours(hours.map((one, index) => (index === at ? to : one)));
  };
  const turn = (on: boolean) => {
    const next = on ? [NIGHT] : [];
    setHours(next);
    if (!on) void save(next);
  };
  const { quiet, quietHint, quietOn, quietMore } = mine.value;
  return (
    <Part title={quiet} hint={quietHint(zone)}>
      <Switch label={quietOn} on={hours.length > 0} set={turn} />
      {hours.map((one, at) => (
        <Stretch key={at} hours={one} no={at + 1} set={(to) => change(at, to)} remove={hours.length > 1 ? () => setHours(hours.filter((_, index) => index !== at)) : undefined} />
      ))}
      {hours.length > 0 && (
        <div class="choices">
          <button type="button" class="main" aria-disabled={busy} onClick={() => void save(hours)}>
            {desk.value.save}
          </button>
          {hours.length < STRETCHES && (
            <button type="button" onClick={() => setHours([...hours, { ...NIGHT, days: ['sat', 'sun'] }])}>
              {quietMore}
            </button>
          )}
        </div>
      )}
      <p class="wrong" role="alert">
        {wrong}
      </p>
      <Said text={said} />
    </Part>
  );
}

function Stretch({ hours, no, set, remove }: { hours: QuietHours; no: number; set: (to: QuietHours) => void; remove: (() => void) | undefined }) {
  const { quiet, quietDays, quietFrom, quietTo, quietLess, nextDay, days } = mine.value;
  const toggle = (day: Weekday, on: boolean) => set({ ...hours, days: WEEK.filter((one) => (one === day ? on : hours.days.includes(one))) });
  const time = (part: 'from' | 'to') => (text: string) => {
    const minutes = minutesOf(text);
    if (minutes !== undefined) set({ ...hours, [part]: minutes });
  };
  return (
    <div class="part" role="group" aria-label={`${quiet} ${no}`}>
      <fieldset class="ticks">
        <legend>{quietDays}</legend>
        {WEEK.map((day) => (
          <label key={day}>
            <input type="checkbox" checked={hours.days.includes(day)} onChange={(event) => toggle(day, event.currentTarget.checked)} />
            {days[day]}
          </label>
        ))}
      </fieldset>
      <div class="fields">
        <Text label={quietFrom} type="time" value={clockOf(hours.from)} set={time('from')} />
        <Text label={quietTo} type="time" value={clockOf(hours.to)} set={time('to')} hint={hours.to <= hours.from ? nextDay : undefined} />
      </div>
      {remove && (
        <button type="button" class="quiet" onClick={remove}>
          {quietLess}
        </button>
      )}
    </div>
  );
}
