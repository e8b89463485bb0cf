// What the head of a conversation leads to: searching it, its threads, its details. What must not live here: those.
import type { ConversationRecord } from '../../engine/records';
import { words } from '../../i18n';
import { go, route } from '../route';
import { finding } from './wishes';
import { Icon } from './icons';
import { useNewIn } from './threads';

export function HeadActs({ record }: { record: ConversationRecord }) {
  const { find, threads, details, unread } = words.value;
  const fresh = useNewIn(record.id);
  const at = route.value;
  const side = at.page === 'talk' ? at.side : undefined;
  const flip = (what: string) => go(side === what ? `/c/${record.id}` : `/c/${record.id}#${what}`, side !== undefined);
  return (
    <div class="head-acts">
      <button type="button" class="quiet icon" aria-label={find} title={find} onClick={() => (finding.value = 'here')}>
        <Icon of="search" />
      </button>
      {record.kind !== 'direct' && (
        <button type="button" class={fresh ? 'quiet icon' : 'quiet icon roomy'} aria-label={fresh ? `${threads}: ${unread(fresh)}` : threads} title={threads} aria-pressed={side === 'threads'} onClick={() => flip('threads')}>
          <Icon of="thread" />
          {fresh > 0 && <span class="fresh" aria-hidden="true">{fresh}</span>}
        </button>
      )}
      <button type="button" class="quiet icon" aria-label={details} title={details} aria-pressed={side === 'info'} onClick={() => flip('info')}>
        <Icon of="details" />
      </button>
    </div>
  );
}
