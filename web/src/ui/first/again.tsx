// The emergency sheet of a server that has been running for a while: a new key, in place of the one there is. What must not
// live here: the sheet (sheet.tsx).
import { useEffect, useMemo, useState } from 'preact/hooks';
import { uuidv7 } from '../../engine/ids';
import type { RecoveryKey, ServerInfo } from '../../proto';
import { explained, words } from '../../i18n';
import { firstWords } from '../../i18n/first';
import { Form, Sheet } from '../parts';
import { go } from '../route';
import { engine, session } from '../state';
import { EmergencySheet } from './sheet';

export default function AnotherSheet() {
  const [info, setInfo] = useState<ServerInfo>();
  const [lost, setLost] = useState('');
  const [made, setMade] = useState<RecoveryKey>();
  const [over, setOver] = useState(false);
  const client_id = useMemo(uuidv7, []);
  const mine = session.value?.role === 'owner';
  useEffect(() => {
    if (mine) engine().api.server().then(setInfo, (error: unknown) => setLost(explained(error)));
  }, [mine]);
  const w = firstWords.value;
  if (over) return <Over title={w.sheetDoneTitle} text={w.sheetDone} />;
  if (!mine || lost) return <Over title={w.sheetTitle} text={lost || w.sheetOwnersOnly} />;
  if (!info) return <Sheet title={w.sheetTitle}><p role="status">{words.value.working}</p></Sheet>;
  const name = session.value?.name ?? '';
  if (made) return <EmergencySheet made={made} team={info.team ?? ''} name={name} address={info.address} done={() => setOver(true)} />;
  const make = async () => setMade(await engine().api.recoveryKey({ client_id, replaces: info.recovery?.recipient }));
  return (
    <Sheet title={w.sheetTitle}>
      <p>{w.sheetLead}</p>
      {info.recovery && <p class="note">{w.sheetAnother}</p>}
      <Form go={make} label={w.sheetAnotherGo}>
        {null}
      </Form>
      <Home />
    </Sheet>
  );
}

function Over({ title, text }: { title: string; text: string }) {
  return (
    <Sheet title={title} arrive>
      <p>{text}</p>
      <Home />
    </Sheet>
  );
}

function Home() {
  return (
    <button type="button" class="quiet" onClick={() => go('/', true)}>
      {words.value.back}
    </button>
  );
}
