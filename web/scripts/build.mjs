// Builds the client into a folder, compresses what is text, and lists the files for the server to embed:
// `node scripts/build.mjs [FOLDER]`. What must not live here: how modules become bundles (vite.config.ts).
//
// files.txt has a line per file: address, media type, ETag, whether it is compressed, whether its name has its hash.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { build } from 'vite';

const HOME = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const MEDIA = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.txt': 'text/plain; charset=utf-8',
};
const brotli = promisify(zlib.brotliCompress);
const gzip = promisify(zlib.gzip);

async function files(folder, prefix = '') {
  const found = [];
  for (const entry of await readdir(path.join(folder, prefix), { withFileTypes: true })) {
    const name = prefix ? `${prefix}/${entry.name}` : entry.name;
    if (entry.isDirectory()) found.push(...(await files(folder, name)));
    else found.push(name);
  }
  return found.sort();
}

/** Writes the compressed forms beside the file where they are worth it, and gives the file's line of the list. */
async function prepare(folder, name) {
  const media = MEDIA[path.extname(name)];
  if (!media) throw new Error(`${name} has no media type here; add its ending to MEDIA`);
  const bytes = await readFile(path.join(folder, name));
  const tag = createHash('sha256').update(bytes).digest('hex').slice(0, 20);
  const packed = !name.endsWith('.png');
  if (packed) {
    const quality = { [zlib.constants.BROTLI_PARAM_QUALITY]: 11, [zlib.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    await writeFile(path.join(folder, `${name}.br`), await brotli(bytes, { params: quality }));
    await writeFile(path.join(folder, `${name}.gz`), await gzip(bytes, { level: 9 }));
  }
  const hashed = /^assets\/.+-[\w-]{8}\.\w+$/.test(name);
  return [`/${name}`, media, tag, packed ? 'packed' : 'plain', hashed ? 'hashed' : 'named'].join('\t');
}

/** What the first screen needs, by its own words, may be so large when it is compressed: people open it on phones. */
const FIRST_LOAD = 70 * 1024;
async function firstLoad(folder) {
  const page = await readFile(path.join(folder, 'index.html'), 'utf8');
  const parts = [...new Set(page.match(/\/assets\/[\w-]+\.(?:js|css)/g))];
  const sizes = await Promise.all(parts.map(async (part) => (await readFile(path.join(folder, `${part}.gz`))).length));
  const sum = sizes.reduce((one, other) => one + other, 0);
  if (sum > FIRST_LOAD) throw new Error(`the first load is ${sum} bytes of ${FIRST_LOAD}: put what the first screen does not need behind import()`);
  console.log(`first load: ${sum} bytes`);
}

const out = path.resolve(process.argv[2] ?? path.join(HOME, 'dist'));
await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await build({ root: HOME, logLevel: 'warn', build: { outDir: out, emptyOutDir: true } });
const lines = [];
for (const name of await files(out)) lines.push(await prepare(out, name));
await writeFile(path.join(out, 'files.txt'), `${lines.join('\n')}\n`);
await firstLoad(out);
