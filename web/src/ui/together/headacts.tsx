// What the head of a conversation leads to: searching it, its threads, its details. What must not live here: those.
import type { ConversationRecord } from '../../engine/records';
import { words } from '../../i18n';
import { go, route } from '../route';
import { finding } from './acts';
import { Icon } from './icons';

export function HeadActs({ record }: { record: ConversationRecord }) {
  const { find, threads, details } = words.value;
  const at = route.value;
  const side = at.page === 'talk' ? at.side : undefined;
  const flip = (what: string) => go(side === what ? `/c/${record.id}` : `/c/${record.id}#${what}`, side !== undefined);
  return (
    <div class="head-acts">
      <button type="button" class="quiet icon" aria-label={find} title={find} onClick={() => (finding.value = 'here')}>
        <Icon of="search" />
      </button>
      {record.kind !== 'direct' && (
        <button type="button" class="quiet icon" aria-label={threads} title={threads} aria-pressed={side === 'threads'} onClick={() => flip('threads')}>
          <Icon of="thread" />
        </button>
      )}
      <button type="button" class="quiet icon" aria-label={details} title={details} aria-pressed={side === 'info'} onClick={() => flip('info')}>
        <Icon of="details" />
      </button>
    </div>
  );
}
