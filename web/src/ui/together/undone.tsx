// What one wished of one's own settings and the server refused after the page that wished it was gone, or had ceased to wait. What
// must not live here: commands of a conversation (troubles.tsx), and what is said at once where it was wished.
import { explained, words } from '../../i18n';
import { more } from '../../i18n/together-more';
import { conversations, engine, titleOf, undone } from '../state';

export function Undone() {
  const { wishKinds, aChange, notDone } = more.value;
  return (
    <>
      {undone.value.map((one) => {
        const { wish, error } = one;
        const record = 'conversation' in wish && wish.conversation ? conversations.value.get(wish.conversation) : undefined;
        return (
          <div key={JSON.stringify(wish)} class="banner">
            <p role="alert">
              <strong>
                {wishKinds[wish.key] ?? aChange}
                {record && ` (${titleOf(record)})`}: {notDone}.
              </strong>{' '}
              {explained(error)}
            </p>
            <button type="button" class="quiet" onClick={() => void engine().seen(one)}>{words.value.close}</button>
          </div>
        );
      })}
    </>
  );
}
