// The recovery key as it stands on paper: in numbered groups, two of which are asked back. Pure, but for the chance that
// comes in. What must not live here: how it looks.

const GROUP = 4;

export interface Groups {
  /** What every key begins with. */
  begin: string;
  groups: string[];
}

export function inGroups(key: string): Groups {
  const at = key.lastIndexOf('-1') + 2;
  return { begin: key.slice(0, at), groups: key.slice(at).match(new RegExp(`.{1,${GROUP}}`, 'g')) ?? [] };
}

/** Two different whole groups, in order, counted from one. */
export function twoOf(count: number, random: () => number = Math.random): [number, number] {
  const one = Math.floor(random() * count);
  const other = (one + 1 + Math.floor(random() * (count - 1))) % count;
  return one < other ? [one + 1, other + 1] : [other + 1, one + 1];
}

export const whole = ({ groups }: Groups): number => groups.filter((group) => group.length === GROUP).length;

export function isRight({ groups }: Groups, [one, other]: [number, number], typed: string): boolean {
  const said = typed.toUpperCase().replace(/[^0-9A-Z]/g, '');
  return said === `${groups[one - 1]}${groups[other - 1]}`;
}
