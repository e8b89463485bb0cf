// The one banner about trust: what is missing, and the way to it. What must not live here: how it is found out (trust.ts).
import { useEffect, useState } from 'preact/hooks';
import { firstWords } from '../../i18n/first';
import { hasTrustPage, trust, WAY } from './trust';
import './first.css';

const HIDDEN = 'kinglet-trust-hidden';

export default function TrustBanner() {
  const [way, setWay] = useState(false);
  const [hidden, setHidden] = useState(sessionStorage.getItem(HIDDEN) !== null);
  useEffect(() => {
    void hasTrustPage().then(setWay);
  }, []);
  const { trustMissing, trustPlain, trustWay, trustAsk, trustHide } = firstWords.value;
  if (hidden) return null;
  const hide = () => {
    sessionStorage.setItem(HIDDEN, 'yes');
    setHidden(true);
  };
  return (
    <aside class="trust" aria-label={trustWay}>
      <p>
        {trust.value === 'plain' ? trustPlain : trustMissing} {way ? <a href={WAY}>{trustWay}</a> : trustAsk}
      </p>
      <button type="button" class="quiet" onClick={hide}>
        {trustHide}
      </button>
    </aside>
  );
}
