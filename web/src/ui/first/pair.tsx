// Coming in by a code: what somebody types, and the wait for the other device that lets this one in. What must not live here:
// making such a code, which the other device does.
import { useEffect, useRef, useState } from 'preact/hooks';
import { Lost, Refused } from '../../engine/refusal';
import type { NewDevice, SignedIn } from '../../proto';
import { explained, words } from '../../i18n';
import { firstWords } from '../../i18n/first';
import { enter } from '../enter';
import { HaveAccount } from '../join';
import { Field, Form, Sheet } from '../parts';
import { go } from '../route';
import { engine, session } from '../state';
import { meantBy } from './code';
import { Wrong } from './wrong';
import './first.css';

const WAIT_SECONDS = 25;
const ROUND_MS = 300_000;

export default function Pair({ code }: { code: string }) {
  // Who comes in by the code is signed in a moment before they are led on.
  const [was] = useState(session.value);
  if (was) {
    return (
      <Sheet title={firstWords.value.pairTitle}>
        <HaveAccount />
      </Sheet>
    );
  }
  return meantBy(code)?.is === 'pair' ? <Waiting key={code} code={code} /> : <Enter />;
}

function Enter() {
  const [typed, setTyped] = useState('');
  const w = firstWords.value;
  const follow = async () => {
    const meant = meantBy(typed);
    if (!meant) throw new Wrong(w.codeWrong);
    go(`/${meant.is}#${meant.code}`);
  };
  return (
    <Sheet title={w.codeTitle}>
      <p>{w.codeLead}</p>
      <Form go={follow} label={w.codeGo}>
        <Field label={w.code} hint={w.codeHint} value={typed} onInput={setTyped} maxLength={300} autofocus />
      </Form>
      <button type="button" class="quiet" onClick={() => go('/sign-in', true)}>
        {words.value.haveAccount}
      </button>
    </Sheet>
  );
}

/** The same request again does no harm, so a lost answer only costs a round. */
async function letIn(code: string, device: NewDevice, told: (number: string) => void, stopped: () => boolean): Promise<SignedIn> {
  const { ticket, number } = await engine().api.pair({ code, device });
  told(number);
  const end = Date.now() + ROUND_MS;
  while (!stopped() && Date.now() < end) {
    const { signed_in } = await engine().api.awaitPairing({ ticket, wait: WAIT_SECONDS });
    if (signed_in) return signed_in;
  }
  throw new Lost('nobody confirmed');
}

function Waiting({ code }: { code: string }) {
  const [number, setNumber] = useState('');
  const [wrong, setWrong] = useState('');
  const [tries, setTries] = useState(0);
  const gone = useRef(false);
  const w = firstWords.value;
  useEffect(() => {
    gone.current = false;
    setWrong('');
    enter((device) => letIn(code, device, setNumber, () => gone.current)).then(
      () => go('/', true),
      (error: unknown) => setWrong(error instanceof Refused && error.code === 'link_invalid' ? w.pairBad : explained(error)),
    );
    return () => {
      gone.current = true;
    };
  }, [code, tries]);
  return (
    <Sheet title={w.pairTitle}>
      {wrong ? <p role="alert">{wrong}</p> : number ? <Shown number={number} /> : <p role="status">{words.value.working}</p>}
      {wrong && (
        <div class="choices">
          <button type="button" onClick={() => setTries(tries + 1)}>
            {words.value.retry}
          </button>
          <button type="button" class="main" onClick={() => go('/pair', true)}>
            {w.pairAgain}
          </button>
        </div>
      )}
    </Sheet>
  );
}

function Shown({ number }: { number: string }) {
  const { pairLead, pairNumber, pairWaits } = firstWords.value;
  return (
    <>
      <p>{pairLead}</p>
      <p class="number" aria-label={pairNumber}>
        {number}
      </p>
      <p role="status" class="hint">
        {pairWaits}
      </p>
    </>
  );
}
