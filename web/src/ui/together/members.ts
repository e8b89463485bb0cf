// Who is in a conversation, and what they are called there. What must not live here: profiles, which are the same everywhere
// (state.ts).
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { ConversationRecord } from '../../engine/records';
import type { MemberInfo } from '../../proto';
import { engine, line, personName } from '../state';

/** More than a list or a completion can use. */
const MOST_PAGES = 5;
const PAGE = 200;

export interface Roster {
  members: MemberInfo[];
  requests: string[];
  banned: string[];
  /** There are more than are here. */
  more: boolean;
}

export const rosters = signal<ReadonlyMap<string, Roster>>(new Map());

export async function readMembers(conversation: string): Promise<void> {
  const roster: Roster = { members: [], requests: [], banned: [], more: true };
  for (let page = 0; roster.more && page < MOST_PAGES; page += 1) {
    const after = roster.members.at(-1)?.user;
    const reply = await engine().ask({ type: 'members', conversation, limit: PAGE, ...(after ? { after } : {}) });
    if (reply.type !== 'members') return;
    roster.members.push(...reply.members);
    roster.requests.push(...(reply.requests ?? []));
    roster.banned.push(...(reply.banned ?? []));
    roster.more = reply.more;
  }
  rosters.value = new Map(rosters.value).set(conversation, roster);
}

/** Asked for when a conversation is opened, and whenever its log says that it changed. */
export function useMembers(record: ConversationRecord | undefined): Roster | undefined {
  const online = line.value === 'online' || line.value === 'fallback';
  useEffect(() => {
    if (record && !record.gone && online) void readMembers(record.id).catch(() => {});
  }, [record?.id, record?.roster, record?.gone, online]);
  return record ? rosters.value.get(record.id) : undefined;
}

export function nameIn(conversation: string, user: string): string {
  return rosters.value.get(conversation)?.members.find((member) => member.user === user)?.nickname || personName(user);
}
