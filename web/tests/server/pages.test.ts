// How the server gives the client to a browser: pages, files, headers. What must not live here: what the client does then.
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import zlib from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Kinglet } from '../kit/kinglet';

let server: Kinglet;
beforeAll(async () => {
  server = await Kinglet.start();
});
afterAll(() => server.stop());

interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

/** Not fetch: it would unpack the answer. */
function get(path: string, headers: http.OutgoingHttpHeaders = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    http
      .get({ host: '127.0.0.1', port: server.port, path, headers }, (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(parts) }));
      })
      .on('error', reject);
  });
}

const assets = async () => [...String((await get('/')).body).matchAll(/"(\/assets\/[^"]+)"/g)].map((found) => found[1]!);

test('each of the client’s own addresses gives the page, and no other does', async () => {
  for (const path of ['/', '/join', '/reset', '/sign-in', '/pair', '/sheet', '/share', '/me', '/admin/people', '/c/c5f9k2m8xqa', '/c/c5f9k2m8xqa/12']) {
    const answer = await get(path);
    expect([path, answer.status, answer.headers['content-type']]).toEqual([path, 200, 'text/html; charset=utf-8']);
  }
  for (const path of ['/nowhere', '/c', '/assets/', '/assets/index.js', '/index.html', '/join/x', '/files.txt']) {
    const answer = await get(path);
    expect([path, answer.status]).toEqual([path, 404]);
    expect(JSON.parse(String(answer.body)).error.code).toBe('not_found');
  }
});

test('the page is asked for again each time, and answered with 304 while it is the same', async () => {
  const page = await get('/');
  expect(page.headers['cache-control']).toBe('no-cache');
  const again = await get('/join', { 'if-none-match': page.headers.etag });
  expect([again.status, again.body.length]).toEqual([304, 0]);
  expect((await get('/', { 'if-none-match': '"other"' })).status).toBe(200);
});

test('files whose name has their hash are kept for ever, with the right type, in the form that the browser takes', async () => {
  const types: Record<string, string> = { js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8' };
  const paths = await assets();
  expect(paths.length).toBeGreaterThanOrEqual(2);
  for (const path of paths) {
    const plain = await get(path);
    expect(plain.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    expect(plain.headers['content-type']).toBe(types[path.split('.').at(-1)!]);
    expect(plain.headers['content-encoding']).toBeUndefined();
    expect(plain.headers.vary).toBe('accept-encoding');
    const br = await get(path, { 'accept-encoding': 'gzip, deflate, br' });
    expect([br.headers['content-encoding'], zlib.brotliDecompressSync(br.body).equals(plain.body)]).toEqual(['br', true]);
    const gz = await get(path, { 'accept-encoding': 'gzip;q=1, br;q=0' });
    expect([gz.headers['content-encoding'], zlib.gunzipSync(gz.body).equals(plain.body)]).toEqual(['gzip', true]);
  }
});

test('the first load is at most seventy kilobytes: the page and the scripts and styles that it names, with gzip', async () => {
  const sizes: Record<string, number> = {};
  for (const path of ['/', ...(await assets())]) sizes[path] = (await get(path, { 'accept-encoding': 'gzip' })).body.length;
  const sum = Object.values(sizes).reduce((one, other) => one + other, 0);
  expect(sum, JSON.stringify(sizes)).toBeLessThanOrEqual(70_000);
  expect(sum).toBeGreaterThan(20_000);
});

test('every answer of the client says what a page may do: nothing but its own', async () => {
  for (const path of ['/', ...(await assets()), '/icon.svg']) {
    const { headers } = await get(path);
    const policy = String(headers['content-security-policy']);
    for (const part of ["default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"])
      expect(policy).toContain(part);
    expect(policy).toContain("require-trusted-types-for 'script'; trusted-types kinglet-worker");
    expect(policy).toContain(`connect-src 'self' ws://127.0.0.1:${server.port} wss://127.0.0.1:${server.port};`);
    expect(policy).not.toMatch(/unsafe|\*/);
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['referrer-policy']).toBe('no-referrer');
  }
});

test('the page has no script or style of its own, and its source no way to make markup of text', async () => {
  const page = String((await get('/')).body);
  expect(page).not.toMatch(/<script(?![^>]*src=)|<style|style=|onload=/);
  const scripts = await Promise.all((await assets()).filter((path) => path.endsWith('.js')).map((path) => get(path)));
  expect(scripts.map(({ body }) => String(body)).join('')).not.toMatch(/eval\(|new Function/);
  expect(await readFile(new URL('../../src/main.tsx', import.meta.url), 'utf8')).not.toContain('innerHTML');
});
