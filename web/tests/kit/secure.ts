// A server with a certificate of its own, as a box at home has it, and browsers that do not trust it, or do. What must not live
// here: stories.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import { Kinglet } from './kinglet';

const run = promisify(execFile);
/** What the box is called in its network. */
export const BOX = 'kinglet.local';

export async function box(): Promise<Kinglet> {
  return Kinglet.start({
    KINGLET_TLS_MODE: 'local',
    KINGLET_TLS_NAMES: BOX,
    KINGLET_LISTEN_HTTP_ADDRESS: '127.0.0.1:0',
  });
}

export const named = (url: string): string => url.replace('127.0.0.1', BOX);

/** Where the page about trust is, over plain http, and the six words as the box's screen shows them. */
export function shownOnScreen({ output }: Kinglet): { plain: string; words: string } {
  const plain = /How to: (\S+)/.exec(output)?.[1];
  const words = /words: (.+)/.exec(output)?.[1];
  if (!plain || !words) throw new Error(`the server shows no words:\n${output}`);
  return { plain: named(plain), words };
}

/** What a person does about the warning: Advanced, then Proceed. */
export async function comePastTheWarning(page: Page, url: string): Promise<void> {
  const warned = await page.goto(url).then(
    () => '',
    (error: Error) => error.message,
  );
  if (!warned.includes('ERR_CERT_AUTHORITY_INVALID')) throw new Error(`the browser did not warn: ${warned}`);
  await page.waitForURL('chrome-error://chromewebdata/');
  await page.locator('#details-button').click();
  await page.locator('#proceed-link').click();
}

/** A home directory whose browser trusts this box: what its settings' import writes, written by the same library. */
export async function homeThatTrusts(server: Kinglet): Promise<string> {
  const home = await mkdtemp(path.join(os.tmpdir(), 'kinglet-home-'));
  const store = path.join(home, '.pki/nssdb');
  await mkdir(store, { recursive: true });
  const certutil = (...words: string[]) =>
    run('certutil', ['-d', `sql:${store}`, ...words]).catch((error: Error) => {
      throw new Error(`certutil did not do it; on Debian it is in libnss3-tools: ${error.message}`);
    });
  await certutil('-N', '--empty-password');
  await certutil('-A', '-t', 'C,,', '-n', 'box', '-i', path.join(server.folder, 'data/tls/ca.pem'));
  return home;
}
