// Commands of a conversation that the server refused, apart from messages, which say so themselves. What must not live here: what
// they are about.
import { explained, words } from '../../i18n';
import { more } from '../../i18n/together-more';
import { engine, outbox } from '../state';

export function Troubles({ lane }: { lane: string }) {
  const rows = outbox.value.filter((row) => row.lane === lane && row.state === 'failed' && row.change.type !== 'send');
  const { retry, stopThat } = words.value;
  const { changeKinds, aChange, notDone } = more.value;
  return (
    <>
      {rows.map((row) => (
        <p key={row.n} class="trouble" role="alert">
          <span>
            <strong>{changeKinds[row.change.type] ?? aChange}: {notDone}.</strong> {row.error ? explained(row.error) : ''}
          </span>
          <button type="button" class="quiet slim" onClick={() => void engine().retry(row.n)}>{retry}</button>
          <button type="button" class="quiet slim" onClick={() => void engine().discard(row.n)}>{stopThat}</button>
        </p>
      ))}
    </>
  );
}
