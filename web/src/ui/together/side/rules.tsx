// What the owner and admins of a group set for everyone in it. What must not live here: what is about single people (people.tsx).
import type { ConversationRecord } from '../../../engine/records';
import { more } from '../../../i18n/together-more';
import { engine, outbox } from '../../state';
import { Line } from './details';

const FLAGS = ['mute_all', 'all_mentions', 'members_pin', 'read_lists', 'history'] as const;
type Flag = (typeof FLAGS)[number];

export function Rules({ record }: { record: ConversationRecord }) {
  const word = more.value;
  // What waits to be sent is shown as if it were so.
  const waits = outbox.value.filter(({ change, state }) => change.type === 'update' && change.conversation === record.id && state !== 'failed');
  const now = Object.assign({}, record, ...waits.map(({ change }) => change)) as ConversationRecord;
  const isOn = (flag: Flag) => (flag === 'read_lists' ? now.read_lists !== false : now[flag] === true);
  const update = (change: object) => void engine().post(record, { type: 'update', ...change });
  return (
    <section>
      <Line key={record.title} label={word.name} value={record.title ?? ''} set={word.rename} go={(title) => title && update({ title })} />
      <h2>{word.settings}</h2>
      {FLAGS.map((flag) => (
        <label key={flag} class="check">
          <input type="checkbox" checked={isOn(flag)} onChange={() => update({ [flag]: !isOn(flag) })} />
          {word[flag]}
        </label>
      ))}
      <label class="choice">
        {word.join}
        <select value={now.join} onChange={(event) => update({ join: event.currentTarget.value })}>
          {Object.entries(word.joins).map(([value, label]) => <option key={value} value={value}>{label}</option>)}
        </select>
      </label>
    </section>
  );
}
