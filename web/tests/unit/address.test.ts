// What speaks against an address before people are told it, and what is seen to be wrong in the first forms. What must not live here:
// pages, and what the server refuses.
import { expect, test, vi } from 'vitest';
import { Refused } from '../../src/engine/refusal';

vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => {} });
vi.stubGlobal('navigator', { language: 'en', languages: ['en'] });
vi.stubGlobal('location', { origin: 'http://192.168.1.5:8080', hostname: '192.168.1.5' });
const { addressHere, doubt, isLoopback } = await import('../../src/ui/first/address');
const { refusedAddress } = await import('../../src/ui/first/doubt');
const { rightCode, rightName, rightPassword } = await import('../../src/ui/first/right');

test('an address is doubted unless this page came by it, or the server listens there', () => {
  const known = ['http://192.168.1.5:8080', 'https://kinglet.local'];
  for (const good of ['http://192.168.1.5:8080', ' http://192.168.1.5:8080/ ', 'https://Kinglet.local:443']) expect(doubt(good, known), good).toBeUndefined();
  for (const bad of ['http://192.168.1.5:9999', 'http://192.168.1.6:8080', 'http://kinglet.local', 'https://chat.example.org']) expect(doubt(bad, known), bad).toBe('unproven');
  for (const here of ['http://localhost:8080', 'http://127.0.0.1', 'https://[::1]:8443']) expect(doubt(here, [...known, here]), here).toBe('loopback');
  for (const half of ['', 'https://', 'kinglet.local', 'ftp://kinglet.local', 'http://a b']) expect(doubt(half, known), half).toBeUndefined();
});

test('which addresses lead to whoever opens them', () => {
  for (const host of ['localhost', '127.0.0.1', '127.8.9.10', '[::1]', '::1', 'chat.localhost']) expect(isLoopback(host), host).toBe(true);
  for (const host of ['localhost.example', '127.example.org', '10.0.0.1', '[fd00::1]', 'kinglet.local']) expect(isLoopback(host), host).toBe(false);
  expect(addressHere('http://10.0.0.1', 'http://localhost:8080', 'localhost')).toBe('http://10.0.0.1');
  expect(addressHere('http://10.0.0.1', 'http://kinglet.local', 'kinglet.local')).toBe('http://kinglet.local');
});

test('a name that the server does not go by is refused with the line to write', () => {
  const said = refusedAddress(new Refused('bad_request', 'No.', 'under [listen] ... listen.hosts ...'), 'https://chat.example:8443');
  expect((said as Error).message).toContain('hosts = ["chat.example"]');
  const other = refusedAddress(new Refused('bad_request', 'No.', 'Begin with https.'), 'http://203.0.113.9');
  expect((other as Error).message).not.toContain('hosts =');
  const busy = new Refused('busy', 'Later.', '');
  expect(refusedAddress(busy, 'https://chat.example')).toBe(busy);
});

test('names, passwords and codes that cannot be right are told apart from those that may be', () => {
  for (const name of ['ada', 'Ada_L.', 'åsa-2', '小明', '나비']) expect(rightName(name), name).toBe('');
  for (const name of ['ada l', 'ada@home', 'a/b', 'x'.repeat(33)]) expect(rightName(name), name).not.toBe('');
  expect([rightPassword('1234567') !== '', rightPassword('12345678')]).toEqual([true, '']);
  for (const code of ['12345-67890', '1234567890', ' 12345 67890']) expect(rightCode(code), code).toBe('');
  for (const code of ['12345-6789', 'abc', '']) expect(rightCode(code), code).not.toBe('');
});
