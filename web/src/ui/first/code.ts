// What a code that somebody types or pastes is for, by its length. Pure. What must not live here: what is done with it.

export type Meant = { is: 'join' | 'pair' | 'reset'; code: string } | undefined;

const KINDS: Record<number, 'join' | 'pair' | 'reset'> = { 16: 'join', 8: 'pair', 26: 'reset' };

/** A whole link, or a code in any case and with any separators, as the server reads them. */
export function meantBy(typed: string): Meant {
  const code = (typed.split('#').pop() ?? '').replace(/[^0-9a-zA-Z]/g, '').toUpperCase();
  const is = KINDS[code.length];
  return is && { is, code };
}
