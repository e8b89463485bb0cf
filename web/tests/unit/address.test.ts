// Which addresses need a certificate of the server's own. What must not live here: what is said about it.
import { expect, test } from 'vitest';
import { hasOwnAuthority } from '../../src/ui/first/address';

test('names and addresses of a network of one’s own have no public certificate', () => {
  const own = ['https://kinglet.local', 'https://kinglet:8443', 'https://192.168.1.5', 'https://10.0.0.2', 'https://172.20.1.1', 'https://[fd12::5]', 'https://[fe80::1]'];
  const others = ['http://kinglet.local', 'https://chat.example.org', 'https://172.40.1.1', 'https://[2001:db8::1]', 'https://1.2.3.4', 'https://10.example.org'];
  expect(own.filter((address) => !hasOwnAuthority(new URL(address)))).toEqual([]);
  expect(others.filter((address) => hasOwnAuthority(new URL(address)))).toEqual([]);
});
