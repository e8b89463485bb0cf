// Who is in all of some conversations. What must not live here: asking, drawing.
import type { OwnedConversation } from '../../proto';

/** Those who are in each of the conversations. */
export function heirs(owned: readonly OwnedConversation[]): string[] {
  const [first, ...others] = owned.map((one) => one.candidates.map((candidate) => candidate.user));
  return (first ?? []).filter((user) => others.every((users) => users.includes(user)));
}
