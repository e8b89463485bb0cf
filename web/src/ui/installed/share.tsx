// What another app shared with this one: where it is to go. It becomes what one has begun to write there. What must not live
// here: sending it.
import { installedWords } from '../../i18n/installed';
import { Avatar } from '../avatar';
import { Sheet } from '../parts';
import { go } from '../route';
import { listed, titleOf } from '../state';
import { putDraft } from '../talk/drafts';
import './installed.css';

/** Apps put a link into any of the three. */
function shared(): string {
  const query = new URLSearchParams(location.search);
  const parts = ['title', 'text', 'url'].map((name) => (query.get(name) ?? '').trim()).filter(Boolean);
  return parts.filter((part, at) => !parts.some((other) => other !== part && other.includes(part)) && parts.indexOf(part) === at).join('\n');
}

export function Share() {
  const text = shared();
  const { shareTitle, shareNothing, shareNowhere, cancel } = installedWords.value;
  const to = (id: string) => {
    putDraft(id, text);
    go(`/c/${id}`, true);
  };
  return (
    <Sheet title={shareTitle}>
      {text ? <blockquote class="shared">{text}</blockquote> : <p>{shareNothing}</p>}
      {text && listed.value.length === 0 && <p>{shareNowhere}</p>}
      <ul class="people">
        {text &&
          listed.value.map((record) => (
            <li key={record.id}>
              <button type="button" onClick={() => to(record.id)}>
                <Avatar name={titleOf(record)} seed={record.peer ?? record.id} />
                {titleOf(record)}
              </button>
            </li>
          ))}
      </ul>
      <button type="button" onClick={() => go('/', true)}>
        {cancel}
      </button>
    </Sheet>
  );
}
