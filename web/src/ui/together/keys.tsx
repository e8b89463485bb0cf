// The sheet that says which keys do what. What must not live here: the keys (shortcuts.ts, hands.ts).
import { more } from '../../i18n/together-more';
import { finding } from './acts';
import { Dialog } from './overlays';
import './together.css';

export function Keys() {
  const close = () => {
    finding.value = undefined;
  };
  return (
    <Dialog title={more.value.keysTitle} close={close}>
      <dl class="keys">
        {more.value.keys.map(([keys, text]) => (
          <div key={text}>
            <dt>{keys.split(' ').map((key) => <kbd key={key}>{key}</kbd>)}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
