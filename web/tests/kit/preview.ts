// For work on the pages: the client as it is in the source, in front of a server that was built earlier. With
// KINGLET_PREVIEW=1 the browser tests use it; else they use what is in the binary. What must not live here: tests.
import path from 'node:path';
import { build, preview } from 'vite';
import type { Kinglet } from './kinglet';

const HOME = path.resolve(import.meta.dirname, '../..');

export async function front(server: Kinglet): Promise<{ url: string; close: () => Promise<void> }> {
  if (!process.env.KINGLET_PREVIEW) return { url: server.url, close: async () => {} };
  const outDir = path.join(HOME, 'dist');
  await build({ root: HOME, logLevel: 'warn', build: { outDir, emptyOutDir: true } });
  const target = server.url;
  const shown = await preview({
    root: HOME,
    logLevel: 'warn',
    build: { outDir },
    preview: {
      port: 0,
      host: '127.0.0.1',
      allowedHosts: true,
      proxy: { '/api': { target }, '/health': { target }, '/ws': { target: server.socketUrl.replace('/ws', ''), ws: true } },
    },
  });
  return { url: shown.resolvedUrls!.local[0]!.replace(/\/$/, ''), close: () => shown.close() };
}
