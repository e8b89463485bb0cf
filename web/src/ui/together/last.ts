// What one said last, to change it by the arrow up. What must not live here: the changing.
import type { Entry } from '../../engine/records';
import { engine, me } from '../state';
import { may } from './acts';

/** Further back nobody means it. */
const LOOK_BACK = 100;

export async function lastOwn(conversation: string, thread?: number): Promise<Entry | undefined> {
  const entries = await engine().entries(conversation, Number.MAX_SAFE_INTEGER, LOOK_BACK);
  const here = ({ event }: Entry) => event.kind === 'message' && event.by === me.value && (thread ? event.thread === thread : !event.thread || event.also_send === true);
  return entries.findLast((entry) => here(entry) && may(entry).edit);
}
