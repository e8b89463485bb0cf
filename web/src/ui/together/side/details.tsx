// The details of a conversation: what stands over it, how loud it is, what one is called there, and what leads on. What must not
// live here: its people (people.tsx), and what its owner and admins set (rules.tsx).
import { useId, useState } from 'preact/hooks';
import { type ConversationRecord, laneOf } from '../../../engine/records';
import { explained, words } from '../../../i18n';
import { more } from '../../../i18n/together-more';
import type { NotifyLevel } from '../../../proto';
import { go } from '../../route';
import { engine, me, outbox, personName, settings, titleOf } from '../../state';
import { tell } from '../acts';
import { useMembers } from '../members';
import { usePins } from '../pins';
import { InviteLink, People, Requests } from './people';
import { Rules } from './rules';

export function Details({ record }: { record: ConversationRecord }) {
  const roster = useMembers(record);
  const pins = usePins(record);
  const group = record.kind !== 'direct';
  const leads = group && record.role !== 'member';
  const word = more.value;
  return (
    <div class="body">
      <Waits record={record} />
      {group && <Announcement record={record} leads={leads} />}
      <p class="ways">
        <button type="button" onClick={() => go(`/c/${record.id}#pins`)}>{word.pins} {pins?.pins.length ? `(${pins.pins.length}${pins.next ? '+' : ''})` : ''}</button>
        {group && <button type="button" onClick={() => go(`/c/${record.id}#threads`)}>{word.threads}</button>}
      </p>
      <Loudness record={record} />
      <Nickname key={nickname(roster?.members)} record={record} now={nickname(roster?.members)} />
      {leads && <Requests record={record} />}
      {group && <People record={record} roster={roster} leads={leads} />}
      {leads && <InviteLink record={record} />}
      {leads && <Rules record={record} />}
      {group && <Leave record={record} />}
      {record.kind === 'direct' && record.peer && record.peer !== me.value && <Block user={record.peer} />}
    </div>
  );
}

const nickname = (members: { user: string; nickname?: string | null }[] | undefined) => members?.find((one) => one.user === me.value)?.nickname ?? '';

/** What was asked for and is not on the server's disk yet. */
function Waits({ record }: { record: ConversationRecord }) {
  const lane = laneOf(record);
  const messages = ['send', 'edit', 'recall', 'react'];
  const waits = outbox.value.some((row) => row.lane === lane && row.state === 'waiting' && !messages.includes(row.change.type));
  return <p class="hint" role="status">{waits ? words.value.waiting : ''}</p>;
}

/** One line that is written down and sent when it can be. */
export function Line({ label, hint, value, go: keep, set, clear, many }: { label: string; hint?: string; value: string; set: string; clear?: string; many?: boolean; go: (value: string) => void }) {
  const [text, setText] = useState(value);
  const id = useId();
  const props = { id, value: text, maxLength: many ? 340 : 64, onInput: (event: { currentTarget: { value: string } }) => setText(event.currentTarget.value) };
  return (
    <form
      class="line-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim() !== value) keep(text.trim());
      }}
    >
      <label for={id}>{label}</label>
      <div>
        {many ? <textarea rows={2} {...props} /> : <input type="text" autocomplete="off" {...props} />}
        <button type="submit" aria-disabled={text.trim() === value}>{text.trim() === '' && value && clear ? clear : set}</button>
      </div>
      {hint && <p class="hint">{hint}</p>}
    </form>
  );
}

function Announcement({ record, leads }: { record: ConversationRecord; leads: boolean }) {
  const { announcement, announce, takeDown, announceHint } = more.value;
  const now = record.announcement ?? '';
  if (!leads) return now ? <p class="note">{now}</p> : null;
  const put = (text: string) => void engine().post(record, { type: 'announce', ...(text ? { text } : {}) });
  return <Line key={now} many label={announcement} hint={announceHint} value={now} set={announce} clear={takeDown} go={put} />;
}

function Nickname({ record, now }: { record: ConversationRecord; now: string }) {
  const { nickname: label, nicknameHint, keep, takeDown } = more.value;
  const put = (name: string) => void engine().post(record, { type: 'nickname', ...(name ? { name } : {}) });
  return <Line label={label} hint={nicknameHint} value={now} set={keep} clear={takeDown} go={put} />;
}

function Loudness({ record }: { record: ConversationRecord }) {
  const { notify, levels, asElsewhere } = more.value;
  const kept = settings.value.get(`notify:${record.id}`);
  const level = kept?.key === 'notify' ? (kept.value?.level ?? '') : '';
  const set = (value: string) =>
    void engine()
      .set({ key: 'notify', conversation: record.id, ...(value ? { value: { level: value as NotifyLevel } } : {}) })
      .catch((error: unknown) => tell(explained(error)));
  return (
    <label class="choice">
      {notify}
      <select value={level} onChange={(event) => set(event.currentTarget.value)}>
        <option value="">{asElsewhere}</option>
        {Object.entries(levels).map(([value, label]) => <option key={value} value={value}>{label}</option>)}
      </select>
    </label>
  );
}

/** The owner has to hand it over first, as long as there are others. */
function Leave({ record }: { record: ConversationRecord }) {
  const { leave, leaveAsk, dissolve, dissolveAsk, ownerStays } = more.value;
  const owner = record.role === 'owner';
  const title = titleOf(record);
  const end = (type: 'leave' | 'dissolve', ask: string) => {
    if (!confirm(ask)) return;
    void engine().post(record, { type });
    go('/', true);
  };
  return (
    <div class="leave">
      {owner && record.members > 1 ? <p class="hint">{ownerStays}</p> : <button type="button" class="warn" onClick={() => end('leave', leaveAsk(title))}>{leave}</button>}
      {owner && <button type="button" class="warn" onClick={() => end('dissolve', dissolveAsk(title))}>{dissolve}</button>}
    </div>
  );
}

/** Holds at once on this device; the server is told when it can be. */
function Block({ user }: { user: string }) {
  const name = personName(user);
  const on = settings.value.has(`blocked:${user}`);
  const { block, unblock, blockAsk, blocked } = more.value;
  const flip = () => {
    if (!on && !confirm(blockAsk(name))) return;
    void engine()
      .set({ key: 'blocked', user, ...(on ? {} : { value: true }) })
      .catch((error: unknown) => tell(explained(error)));
  };
  return (
    <div class="leave">
      {on && <p class="hint">{blocked(name)}</p>}
      <button type="button" class={on ? undefined : 'warn'} onClick={flip}>{on ? unblock : block(name)}</button>
    </div>
  );
}
