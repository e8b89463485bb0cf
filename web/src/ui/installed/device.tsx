// What belongs to this device: being told of messages, being an app, opening without a network. What must not live here: how
// that is done (push.ts, worker.ts).
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { explained } from '../../i18n';
import { installedWords } from '../../i18n/installed';
import { Refused } from '../../engine/refusal';
import type { PushInfo, PushTested } from '../../proto';
import { Page, Part, Switch } from '../admin/parts';
import { InstallButton } from './hint';
import * as push from './push';
import { begin } from './tell';
import { lastPush, workers } from './worker';
import './installed.css';

/** Whether push messages reach this device, and if not, why. */
type Closed = { is: 'asking' } | { is: 'yes' } | { is: 'only-open' } | { is: 'no-push' } | { is: 'refused' } | { is: 'failed'; why: string };

const ability = signal<push.Ability>('off');

export function ThisDevice() {
  useEffect(() => {
    const look = () => {
      ability.value = push.ability();
    };
    look();
    // One comes back here from the browser's settings.
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  }, []);
  const { title, notifications, app, offline } = installedWords.value;
  return (
    <Page title={title} back="/me">
      <div class="this-device">
        <Part title={notifications}>
          <Notifications />
        </Part>
        <Part title={app}>
          <InstallButton />
        </Part>
        <Part title={offline}>
          <p>{withoutNetwork()}</p>
        </Part>
      </div>
    </Page>
  );
}

function withoutNetwork(): string {
  const { offlineYes, offlineNo, offlineSoon } = installedWords.value;
  if (!workers()) return offlineNo;
  return workers()?.controller ? offlineYes : offlineSoon;
}

function Notifications() {
  const { insecure, installFirst, absent, denied } = installedWords.value;
  switch (ability.value) {
    case 'insecure':
      return <p class="note">{insecure}</p>;
    case 'install-first':
      return <p class="note">{installFirst}</p>;
    case 'absent':
      return <p class="note">{absent}</p>;
    case 'denied':
      return <p class="note">{denied}</p>;
    case 'off':
      return <TurnOn />;
    case 'on':
      return <On />;
  }
}

function TurnOn() {
  const { lead, turnOn, asking, dismissed } = installedWords.value;
  const [said, setSaid] = useState('');
  const go = async () => {
    setSaid(asking);
    const yes = await push.allow();
    setSaid(yes ? '' : dismissed);
    if (yes) {
      push.tell('on');
      begin();
    }
    ability.value = push.ability();
  };
  return (
    <>
      <p>{lead}</p>
      <button type="button" class="main" onClick={() => void go()}>
        {turnOn}
      </button>
      <p class="hint" role="status">
        {said}
      </p>
    </>
  );
}

function On() {
  const { isOn, turnOff, withText, withTextHint, noText } = installedWords.value;
  const [info, setInfo] = useState<PushInfo>();
  const [text, setText] = useState(push.telling() === 'text');
  const [closed, setClosed] = useState<Closed>({ is: 'asking' });
  const reach = async () => {
    setClosed({ is: 'asking' });
    setClosed(await reached(setInfo));
  };
  useEffect(() => void reach(), []);
  const choose = (on: boolean) => {
    setText(on);
    push.tell(on ? 'text' : 'on');
    void reach();
  };
  const off = async () => {
    push.tell('off');
    ability.value = push.ability();
    await push.unsubscribe().catch(() => {});
  };
  return (
    <>
      <p>
        <strong>{isOn}</strong>
      </p>
      <Switch label={withText} hint={info?.enabled && !info.text_allowed ? `${withTextHint} ${noText}` : withTextHint} on={text} set={choose} />
      <WhileClosed closed={closed} again={() => void reach()} />
      <button type="button" onClick={() => void off()}>
        {turnOff}
      </button>
    </>
  );
}

/** Subscribes if there is anything to subscribe with. */
async function reached(tell: (info: PushInfo) => void): Promise<Closed> {
  try {
    const info = await push.info();
    tell(info);
    if (!info.enabled || !info.public_key) return { is: 'only-open' };
    if (!('PushManager' in globalThis)) return { is: 'no-push' };
    await push.subscribe(info.public_key, push.telling() === 'text' && info.text_allowed);
    return { is: 'yes' };
  } catch (error) {
    if (error instanceof Refused && error.code === 'push_refused') return { is: 'refused' };
    if (error instanceof DOMException) return { is: 'failed', why: error.message || error.name };
    return { is: 'failed', why: explained(error) };
  }
}

function WhileClosed({ closed, again }: { closed: Closed; again: () => void }) {
  const { onlyOpen, noPush, pushRefused, pushFailed, tryAgain } = installedWords.value;
  const { closed: how } = installedWords.value;
  switch (closed.is) {
    case 'asking':
      return <p class="faint" aria-busy="true" />;
    case 'only-open':
      return <p class="note">{onlyOpen}</p>;
    case 'no-push':
      return <p class="note">{noPush}</p>;
    case 'refused':
      return <p class="note">{pushRefused}</p>;
    case 'failed':
      return (
        <div class="note" role="alert">
          <p>{pushFailed(closed.why)}</p>
          <button type="button" onClick={again}>
            {tryAgain}
          </button>
        </div>
      );
    case 'yes':
      return (
        <>
          <p class="note">{how}</p>
          <SelfTest />
        </>
      );
  }
}

/** What the push service says to one message, and whether it came back here. */
function SelfTest() {
  const { test, testing, arrived, onTheWay } = installedWords.value;
  const [since, setSince] = useState<number>();
  const [outcome, setOutcome] = useState<PushTested | string>();
  const busy = since !== undefined && outcome === undefined;
  const go = async () => {
    if (busy) return;
    setOutcome(undefined);
    setSince(Date.now());
    setOutcome(await push.test().catch(refusal));
  };
  const came = since !== undefined && lastPush.value?.test === true && lastPush.value.at >= since;
  const taken = typeof outcome === 'object' && outcome.taken;
  return (
    <div class="self-test">
      <button type="button" aria-disabled={busy} onClick={() => void go()}>
        {test}
      </button>
      <p role="status">
        {busy ? testing : said(outcome)} {came ? arrived : taken ? onTheWay : ''}
      </p>
    </div>
  );
}

function refusal(error: unknown): string {
  return error instanceof Refused && error.code === 'not_found' ? installedWords.value.noSubscription : explained(error);
}

function said(outcome: PushTested | string | undefined): string {
  if (outcome === undefined || typeof outcome === 'string') return outcome ?? '';
  const { taken, notTaken, status } = installedWords.value;
  const { host, status: answer, error } = outcome;
  return outcome.taken ? taken(host, answer ?? 201) : notTaken(host, error ?? status(answer ?? 0));
}
