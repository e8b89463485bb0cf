// The emergency sheet: the recovery key on paper, and two of its groups asked back before anybody goes on. The key is in this
// component's memory and nowhere else. What must not live here: when it is made.
import { useMemo, useState } from 'preact/hooks';
import type { RecoveryKey } from '../../proto';
import { date, words } from '../../i18n';
import { firstWords } from '../../i18n/first';
import { Field, Form, Qr, Sheet } from '../parts';
import { engine } from '../state';
import { type Groups, inGroups, isRight, twoOf, whole } from './key';
import { Wrong } from './wrong';
import './first.css';

interface Props {
  made: RecoveryKey;
  team: string;
  name: string;
  address: string;
  done: () => void;
}

export function EmergencySheet(props: Props) {
  const groups = useMemo(() => inGroups(props.made.key), [props.made.key]);
  const [asking, setAsking] = useState(false);
  if (asking) return <AskBack groups={groups} recipient={props.made.recipient} back={() => setAsking(false)} done={props.done} />;
  const { sheetTitle, sheetLead, sheetPrint, sheetHave, sheetLater } = firstWords.value;
  return (
    <Sheet title={sheetTitle} arrive>
      <p>{sheetLead}</p>
      <Paper {...props} groups={groups} />
      <div class="choices">
        <button type="button" onClick={() => print()}>
          {sheetPrint}
        </button>
        <button type="button" class="main" onClick={() => setAsking(true)}>
          {sheetHave}
        </button>
      </div>
      <button type="button" class="quiet" onClick={props.done}>
        {sheetLater}
      </button>
    </Sheet>
  );
}

/** All that is printed. */
function Paper({ made, team, name, address, groups }: Props & { groups: Groups }) {
  const w = firstWords.value;
  const facts = [
    [w.sheetTeam, team],
    [w.sheetAddress, address],
    [w.sheetOwner, name],
    [w.sheetMade, date(Date.now())],
  ];
  return (
    <section class="paper" aria-label={w.sheetPaper}>
      <h2>
        {words.value.app} · {w.sheetPaper}
      </h2>
      <dl>
        {facts.map(([what, is]) => (
          <div key={what}>
            <dt>{what}</dt>
            <dd>{is}</dd>
          </div>
        ))}
      </dl>
      <h3>{w.sheetKey}</h3>
      <p class="begin">{groups.begin}</p>
      <ol class="key">
        {groups.groups.map((group, at) => (
          <li key={at}>
            <span class="no" aria-hidden="true">
              {at + 1}
            </span>
            <code>{group}</code>
          </li>
        ))}
      </ol>
      <p class="hint">{w.sheetKeyLabel(groups.begin)}</p>
      <Qr text={made.key} label={w.sheetQr} />
      <h3>{w.sheetUse}</h3>
      <ul>
        {w.sheetUses.map((use) => (
          <li key={use}>{use}</li>
        ))}
      </ul>
    </section>
  );
}

function AskBack({ groups, recipient, back, done }: { groups: Groups; recipient: string; back: () => void; done: () => void }) {
  const [typed, setTyped] = useState('');
  const asked = useMemo(() => twoOf(whole(groups)), []);
  const w = firstWords.value;
  const check = async () => {
    if (!isRight(groups, asked, typed)) throw new Wrong(w.sheetWrong);
    await engine().api.changeServer({ recovery_kept: recipient });
    done();
  };
  return (
    <Sheet title={w.sheetAskTitle}>
      <p>{w.sheetAsk}</p>
      <Form go={check} label={w.sheetCheck}>
        <Field label={w.sheetGroups(...asked)} hint={w.sheetGroupsHint} value={typed} onInput={setTyped} maxLength={12} autofocus />
      </Form>
      <button type="button" class="quiet" onClick={back}>
        {w.sheetBack}
      </button>
    </Sheet>
  );
}
