// Draws the icons that cannot be SVG from public/icon.svg, by Chromium: `npm run icons`, after that file changed. What they
// are for is in public/manifest.webmanifest. What must not live here: what the bird looks like.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const PUBLIC = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../public');
const svg = await readFile(path.join(PUBLIC, 'icon.svg'), 'utf8');
const [ground, ...bird] = svg.match(/<(?:rect|path|circle)[^>]*\/>/g);
const drawn = (inside) => `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 128 128">${inside.join('')}</svg>`;
/** To the edge, for systems that cut a shape out themselves. */
const square = ground.replace(/ rx="\d+"/, '');
const smaller = (by) => `<g transform="translate(64 64) scale(${by}) translate(-64 -69)">${bird.join('')}</g>`;
/** One colour on nothing: Android draws its status bar with it. The wing and the eye are holes. */
const white = bird.map((part, at) => (at === 1 || at === 3 ? '' : part.replace(/fill="[^"]*"/, 'fill="#fff"')));
const hole = bird.filter((_, at) => at === 1 || at === 3).map((part) => part.replace(/fill="[^"]*"/, 'fill="#000"'));
const outline = [`<mask id="m"><rect width="128" height="128" fill="#fff"/>${hole.join('')}</mask><g mask="url(#m)">`, ...white, '</g>'];

const ICONS = [
  ['icon-192.png', 192, [ground, ...bird]],
  ['icon-512.png', 512, [ground, ...bird]],
  ['icon-maskable-512.png', 512, [square, smaller(0.74)]],
  ['apple-touch-icon.png', 180, [square, smaller(0.88)]],
  ['favicon.png', 48, [ground, ...bird]],
  ['badge.png', 96, outline],
];

const browser = await chromium.launch({ executablePath: process.env.KINGLET_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const page = await browser.newPage();
for (const [name, size, inside] of ICONS) {
  await page.setViewportSize({ width: size, height: size });
  await page.setContent(`<style>*{margin:0}svg{display:block;width:100vw;height:100vh}</style>${drawn(inside)}`);
  await writeFile(path.join(PUBLIC, name), await page.screenshot({ omitBackground: true }));
}
await browser.close();
