// Who takes over what somebody owns when they go. What must not live here: going.
import { useState } from 'preact/hooks';
import { desk } from '../../i18n/desk';
import type { OwnedConversation } from '../../proto';
import { personName } from '../state';
import { heirs } from './pages';
import { Confirm, Select } from './parts';

export function Successor({ owned, act, go, close }: { owned: readonly OwnedConversation[]; act: string; go: (successor: string) => Promise<void>; close: () => void }) {
  const possible = heirs(owned);
  const [chosen, setChosen] = useState(possible[0] ?? '');
  const { successorTitle, successorLead, successor, successorNone } = desk.value;
  const list = (
    <>
      <p>{successorLead}</p>
      <ul>
        {owned.map((one) => (
          <li key={one.conversation}>{one.title || one.conversation}</li>
        ))}
      </ul>
      {!possible.length && <p class="wrong">{successorNone}</p>}
    </>
  );
  const run = async () => {
    if (chosen) await go(chosen);
  };
  return (
    <Confirm title={successorTitle} lead={list} act={act} danger go={run} close={close}>
      {possible.length > 0 && <Select label={successor} value={chosen} set={setChosen} options={possible.map((user) => [user, personName(user)] as const)} />}
    </Confirm>
  );
}
