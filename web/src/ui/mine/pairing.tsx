// Letting another device in: a code for it, the number that both show, a yes. What must not live here: what the other device does.
import { useEffect, useState } from 'preact/hooks';
import { explained } from '../../i18n';
import { desk } from '../../i18n/desk';
import { mine } from '../../i18n/mine';
import type { DeviceCode, DeviceCodeState } from '../../proto';
import { get, post, send } from '../admin/http';
import { useAct } from '../admin/parts';
import { Window } from '../dialogs';
import { CopyLink, Qr } from '../parts';

/** The server waits for the next step; well below what a request may take. */
const WAIT = 12;

export function Pairing({ close, done }: { close: () => void; done: () => void }) {
  const [tries, setTries] = useState(0);
  const [code, setCode] = useState<DeviceCode>();
  const [state, setState] = useState<DeviceCodeState>();
  const [wrong, setWrong] = useState('');
  useEffect(() => {
    let over = false;
    setWrong('');
    setState(undefined);
    const watch = async () => {
      setCode(await post<DeviceCode>('devices/code'));
      for (;;) {
        const now = await get<DeviceCodeState>('devices/code', { wait: WAIT });
        if (over) return;
        setState(now);
        if (now.state === 'done') return done();
      }
    };
    watch().catch((error: unknown) => {
      if (over) return;
      setCode(undefined);
      setWrong((error as { code?: string }).code === 'link_invalid' ? mine.value.pairOver : explained(error));
    });
    return () => {
      over = true;
      // Nobody comes in by a code that nobody looks at any more; one that is done with is gone already.
      void send('DELETE', 'devices/code').catch(() => {});
    };
  }, [tries]);
  const { pairTitle, pairAgain } = mine.value;
  return (
    <Window title={pairTitle} close={close}>
      {wrong && (
        <>
          <p class="wrong" role="alert">
            {wrong}
          </p>
          <button type="button" class="main" onClick={() => setTries(tries + 1)}>
            {pairAgain}
          </button>
        </>
      )}
      {!wrong && !code && <p role="status">{desk.value.working}</p>}
      {!wrong && code && <Step code={code} state={state} stop={close} />}
    </Window>
  );
}

function Step({ code, state, stop }: { code: DeviceCode; state: DeviceCodeState | undefined; stop: () => void }) {
  const { busy, wrong, run } = useAct();
  const { pairLead, pairQr, pairCode, pairAsks, pairYes, pairNo, pairDone } = mine.value;
  if (state?.state === 'done') return <p role="status">{pairDone}</p>;
  if (state?.state === 'asked' && state.number) {
    const { number } = state;
    return (
      <>
        <p role="status">{pairAsks(state.device_name ?? '')}</p>
        <p class="number-big">{number}</p>
        <p class="wrong" role="alert">
          {wrong}
        </p>
        <div class="choices">
          <button type="button" class="main" aria-disabled={busy} onClick={() => void run(() => post('devices/code/confirm', { number }))}>
            {pairYes}
          </button>
          <button type="button" onClick={stop}>
            {pairNo}
          </button>
        </div>
      </>
    );
  }
  if (state?.state === 'confirmed') return <p role="status">{desk.value.working}</p>;
  return (
    <div class="secret">
      <p>{pairLead}</p>
      <Qr text={code.link} label={pairQr} />
      <CopyLink link={code.link} />
      <p>
        {pairCode}: <strong>{code.code}</strong>
      </p>
    </div>
  );
}
