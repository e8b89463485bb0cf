// What is shown instead of a conversation that is not known here. What must not live here: conversations.
import { words } from '../../i18n';
import { go } from '../route';
import { line, settled } from '../state';

/** Whether it is not there can be said only after all that was missed has come. */
export function NotThere() {
  const { unknownTalk, unknownTalkLead, absentTalk, absentTalkLead, toList, working } = words.value;
  const connected = line.value === 'online' || line.value === 'fallback';
  if (connected && !settled.value) return <p class="empty" role="status">{working}</p>;
  const here = settled.value;
  return (
    <div class="notthere" role="alert">
      <h1>{here ? unknownTalk : absentTalk}</h1>
      <p>{here ? unknownTalkLead : absentTalkLead}</p>
      <button type="button" class="main" onClick={() => go('/')}>
        {toList}
      </button>
    </div>
  );
}
