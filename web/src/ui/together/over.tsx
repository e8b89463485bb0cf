// What stands over a conversation for everyone in it: the announcement, and the newest pin. What must not live here: how they are
// put there (side/details.tsx, acts.ts).
import { useState } from 'preact/hooks';
import type { ConversationRecord } from '../../engine/records';
import { words } from '../../i18n';
import { Said } from '../message';
import { go } from '../route';
import { plain } from '../text';
import { Icon } from './icons';
import { nameIn } from './members';
import { pinned } from './pins';
import { oneLine } from './quote';

export function Over({ record }: { record: ConversationRecord }) {
  const [open, setOpen] = useState(false);
  const pins = pinned.value.get(record.id);
  const newest = pins?.pins.map((pin) => pins.entries.get(pin.target)).find((entry) => entry && !entry.erased);
  const { announcement } = record;
  if (record.gone || (!announcement && !newest)) return null;
  const { announced, pinnedHere, everyone } = words.value;
  return (
    <div class="over">
      {announcement && (
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
          <Icon of="announce" />
          <span class="unseen">{announced}</span>
          <span class="line">{plain(announcement, (user) => (user === 'all' ? everyone : nameIn(record.id, user)))}</span>
        </button>
      )}
      {announcement && open && <Said body={{ kind: 'text', text: announcement }} />}
      {newest && (
        <button type="button" onClick={() => go(`/c/${record.id}#pins`)}>
          <Icon of="pin" />
          <span class="unseen">{pinnedHere}</span>
          <span class="line">{oneLine(newest)}</span>
        </button>
      )}
    </div>
  );
}
