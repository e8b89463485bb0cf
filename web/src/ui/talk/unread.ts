// Where what one has not read begins, and how far one has read by looking. What must not live here: what is drawn there.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ConversationRecord } from '../../engine/records';

/**
 * The seq after which the line stands: where one had read to when one came, or when something came that one did not look at.
 * It stays while one reads.
 */
export function useMark(record: ConversationRecord | undefined, looking: () => boolean): [number | undefined, () => void] {
  const [mark, setMark] = useState(record && record.unread > 0 ? record.read_seq : undefined);
  const before = useRef(record?.unread ?? 0);
  useEffect(() => {
    const unread = record?.unread ?? 0;
    if (record && unread > 0 && before.current === 0 && !looking()) setMark(record.read_seq);
    before.current = unread;
  }, [record?.unread]);
  return [mark, () => setMark(undefined)];
}
