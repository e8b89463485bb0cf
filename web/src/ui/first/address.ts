// What an address tells by itself: to whom it leads, and whether anybody has seen yet that it leads to this server. What must not live
// here: what is drawn, and what a server refuses (doubt.tsx).

/** It leads to whichever machine opens it, and to no other one. */
export const isLoopback = (host: string): boolean => /^(localhost|.+\.localhost|127(\.\d+){3}|\[?::1\]?)$/.test(host);

/** Over https nobody but the server itself can have made a certificate for it: of such names and addresses public authorities
    make none (CA/Browser Forum's Baseline Requirements, 7.1.2.7.12). */
export function hasOwnAuthority(address: URL): boolean {
  const { protocol, hostname } = address;
  const isInside = hostname.endsWith('.local') || !/[.:]/.test(hostname) || /^(10|192\.168|172\.(1[6-9]|2\d|3[01])|169\.254)[\d.]+$|^\[f[cde]/.test(hostname);
  return protocol === 'https:' && isInside;
}

/** The address to begin with: the one that this page was opened by, since it leads here; but not one that leads nowhere from elsewhere. */
export function addressHere(guess: string, origin = location.origin, host = location.hostname): string {
  return isLoopback(host) ? guess : origin;
}

export type Why = 'loopback' | 'unproven' | undefined;

export function read(address: string): URL | undefined {
  try {
    const url = new URL(address.trim());
    return /^https?:$/.test(url.protocol) ? url : undefined;
  } catch {
    // Half typed, or none: the server says so.
    return undefined;
  }
}

/** `known`: addresses at which it answers, this page's own among them. */
export function doubt(address: string, known: readonly string[]): Why {
  const url = read(address);
  if (!url) return undefined;
  if (isLoopback(url.hostname)) return 'loopback';
  return known.some((one) => read(one)?.origin === url.origin) ? undefined : 'unproven';
}
