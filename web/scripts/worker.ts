// Makes /sw.js of the build: the service worker with the list of all files and a name for them together. What must not live
// here: what the worker does with them (src/worker).
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { build, type Plugin, type Rollup } from 'vite';

const OFF = process.env.KINGLET_WEB_WORKER === 'off';
/** Not kept: icons that only an installation needs, and what only browsers without workers run. */
const NOT_KEPT = /^\/((icon-512|icon-maskable-512|apple-touch-icon|favicon)\.png|old\.js)$/;
const TARGET = ['chrome109', 'firefox115', 'safari15.4'];

/** One script without parts of its own: not every browser knows workers made of modules. */
export async function compiled(root: string, source: 'worker.ts' | 'off.ts', define: Record<string, string>): Promise<string> {
  const entry = path.join(root, 'src/worker', source);
  const made = (await build({
    root,
    configFile: false,
    publicDir: false,
    logLevel: 'warn',
    define,
    build: { write: false, target: TARGET, rollupOptions: { input: entry, output: { format: 'iife', entryFileNames: 'sw.js' } } },
  })) as Rollup.RollupOutput;
  return made.output[0].code;
}

export function worker(): Plugin {
  let root = '';
  let open = '';
  return {
    name: 'kinglet-worker',
    apply: 'build',
    enforce: 'post',
    config: () => ({ define: { WORKER_ON: JSON.stringify(!OFF) } }),
    configResolved(config) {
      root = config.root;
      open = config.publicDir;
    },
    async generateBundle(_options, bundle) {
      const hash = createHash('sha256');
      const files: string[] = [];
      for (const [name, file] of Object.entries(bundle).sort(([one], [other]) => (one < other ? -1 : 1))) {
        hash.update(name).update(file.type === 'chunk' ? file.code : file.source);
        if (name !== 'index.html' && !name.endsWith('.map')) files.push(`/${name}`);
      }
      for (const name of (await readdir(open)).sort()) {
        hash.update(name).update(await readFile(path.join(open, name)));
        if (!NOT_KEPT.test(`/${name}`)) files.push(`/${name}`);
      }
      const define = { FILES: JSON.stringify(files), VERSION: JSON.stringify(hash.digest('hex').slice(0, 12)) };
      this.emitFile({ type: 'asset', fileName: 'sw.js', source: await compiled(root, OFF ? 'off.ts' : 'worker.ts', define) });
    },
  };
}
