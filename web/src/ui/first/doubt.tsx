// What speaks against telling people an address, said before they are told, and what the server says against it. What must not live here:
// how that is found out (address.ts), and saving.
import { Refused } from '../../engine/refusal';
import { firstWords } from '../../i18n/first';
import { doubt, read } from './address';
import { Wrong } from './wrong';

/** It can be saved all the same: behind a proxy it may be right. */
export function Doubt({ address, known = [] }: { address: string; known?: readonly string[] }) {
  const why = doubt(address, [location.origin, ...known]);
  const { addressOnlyHere, addressUnproven, addressTry } = firstWords.value;
  const url = read(address);
  return (
    <div role="status">
      {why && url && (
        <p class="note doubt">
          {why === 'loopback' ? addressOnlyHere : addressUnproven(url.origin)}{' '}
          {why === 'unproven' && (
            <a href={url.origin} target="_blank" rel="noopener noreferrer">
              {addressTry}
            </a>
          )}
        </p>
      )}
    </div>
  );
}

/** In one's own language what the server refused; a name that it does not go by with the line to write for it. */
export function refusedAddress(error: unknown, address: string): unknown {
  if (!(error instanceof Refused) || error.code !== 'bad_request') return error;
  const { addressWrong, addressName } = firstWords.value;
  const host = read(address)?.hostname;
  return new Wrong(host && error.next.includes('listen.hosts') ? addressName(host) : addressWrong);
}
