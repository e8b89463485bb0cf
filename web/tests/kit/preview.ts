// For work on the pages: the client as it is in the source, in front of a server that was built earlier. With
// KINGLET_PREVIEW=1 the browser tests use it; else they use what is in the binary. What must not live here: tests.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { build, preview } from 'vite';
import type { Kinglet } from './kinglet';

const HOME = path.resolve(import.meta.dirname, '../..');

export async function front(server: Kinglet): Promise<{ url: string; close: () => Promise<void> }> {
  if (!process.env.KINGLET_PREVIEW) return { url: server.url, close: async () => {} };
  // Of its own, so that two runs at a time do not build into each other's.
  const outDir = await mkdtemp(path.join(os.tmpdir(), 'kinglet-preview-'));
  await build({ root: HOME, logLevel: 'warn', build: { outDir, emptyOutDir: true } });
  const target = server.url;
  // Behind a certificate of the server's own stands the preview with the same one.
  const pem = server.isSecure ? await readFile(path.join(server.folder, 'data/tls/leaf.pem')) : undefined;
  // What the server lets its pages do, the preview lets them do.
  const policy = server.isSecure ? null : (await fetch(target)).headers.get('content-security-policy');
  const on = (to: string, ws = false) => ({ target: to, ws, secure: false });
  const shown = await preview({
    root: HOME,
    logLevel: 'warn',
    build: { outDir },
    preview: {
      port: 0,
      host: '127.0.0.1',
      allowedHosts: true,
      ...(policy ? { headers: { 'Content-Security-Policy': policy } } : {}),
      ...(pem ? { https: { key: pem, cert: pem } } : {}),
      proxy: { '/api': on(target), '/health': on(target), '/trust': on(target), '/ws': on(server.socketUrl.replace('/ws', ''), true) },
    },
  });
  return { url: shown.resolvedUrls!.local[0]!.replace(/\/$/, ''), close: () => shown.close().then(() => rm(outDir, { recursive: true, force: true })) };
}
