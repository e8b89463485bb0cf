// Browsers of people: Chromium at the size of a phone and of a desktop, screenshots, and the check for what keeps people out.
// What must not live here: what people do.
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const PATHS = [process.env.KINGLET_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const SCREENS = path.resolve(import.meta.dirname, '../../screens');
export const PLAIN_HOST = 'kinglet.test';
const PATIENCE_MS = 40_000;

export type Size = 'phone' | 'desktop';
export type Scheme = 'light' | 'dark';
export type Language = 'en' | 'zh-CN';

/** What a browser has kept: storage and databases. */
type Kept = Awaited<ReturnType<BrowserContext['storageState']>>;

export interface Launch {
  /** Further names that lead here. */
  hosts?: string[];
  /** A home directory with settings of its own. */
  home?: string;
  /** Further arguments. */
  args?: readonly string[];
}

export async function launch({ hosts = [], home, args = [] }: Launch = {}): Promise<Browser> {
  const executablePath = PATHS.find((one) => one && existsSync(one));
  if (!executablePath) throw new Error('there is no Chromium: install it (on Debian: apt-get install chromium) or set KINGLET_CHROMIUM');
  // Everything here is our own, and containers often have no user namespaces for the sandbox.
  // A name beyond loopback that leads here: over plain http its pages have no secure context.
  const rules = [PLAIN_HOST, ...hosts].map((host) => `MAP ${host} 127.0.0.1`).join(',');
  const env = home ? { env: { ...process.env, HOME: home } as Record<string, string> } : {};
  return chromium.launch({ executablePath, args: ['--no-sandbox', `--host-resolver-rules=${rules}`, ...args], ...env });
}

export interface Person {
  page: Page;
  context: BrowserContext;
  size: Size;
  /** What the console and the page complained of. */
  complaints: string[];
}

export async function person(browser: Browser, url: string, size: Size, more: { scheme?: Scheme; language?: Language; agent?: string; installed?: boolean; noWorker?: boolean; state?: Kept } = {}): Promise<Person> {
  const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
  const desktop = { viewport: { width: 1280, height: 800 } };
  const context = await browser.newContext({
    ...(size === 'phone' ? phone : desktop),
    baseURL: url,
    colorScheme: more.scheme ?? 'light',
    locale: more.language ?? 'en',
    ...(more.state ? { storageState: more.state } : {}),
    ...(more.agent ? { userAgent: more.agent } : {}),
    ...(more.noWorker ? { serviceWorkers: 'block' as const } : {}),
  });
  // Safari's word for an app on the home screen.
  if (more.installed) await context.addInitScript(() => Object.assign(navigator, { standalone: true }));
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    // A refused request and a lost line are told by the browser itself, and pages say so to people; and over plain http that a
    // header which needs a secure context is passed over.
    const known = /Failed to load resource|WebSocket connection|Cross-Origin-Opener-Policy header has been ignored/;
    if (message.type() === 'error' && !known.test(message.text())) complaints.push(message.text());
  });
  return { page, context, size, complaints };
}

export async function shoot({ page, size }: Person, name: string): Promise<void> {
  await mkdir(SCREENS, { recursive: true });
  await page.screenshot({ path: path.join(SCREENS, `${name}-${size}.png`) });
}

/** What a failing story has to show. */
export async function confess(one: Person): Promise<void> {
  await shoot(one, `failed-${Date.now()}`);
  console.log(one.page.url(), one.complaints, await one.page.locator('body').innerText());
}

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds, in one line each. Its program comes past the content security policy, by the debugger's door. */
export async function barriers({ page }: Person): Promise<string[]> {
  // It stays as long as the document does.
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axe);
  return page.evaluate(async () => {
    const run = (globalThis as unknown as { axe: { run: () => Promise<{ violations: { id: string; nodes: { target: unknown[]; failureSummary?: string }[] }[] }> } }).axe;
    const { violations } = await run.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target.join(' ')} ${node.failureSummary ?? ''}`).join('; ')}`);
  });
}

/** Nothing sticks out at the side. */
export function overflow({ page }: Person): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}
