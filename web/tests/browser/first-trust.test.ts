// The levels of trust, against a server with a certificate of its own: the page that leads to trust, a browser that came past
// the warning, and one that trusts. What must not live here: what else is done in the chat (chat.test.ts).
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { barriers, launch, overflow, type Person, shoot } from '../kit/browser';
import { guest, guestsLeave, type Manner } from '../kit/guests';
import type { Kinglet } from '../kit/kinglet';
import { front } from '../kit/preview';
import { BOX, box, comePastTheWarning, homeThatTrusts, named, shownOnScreen } from '../kit/secure';
import { setUp } from '../kit/setup';

let server: Kinglet;
let shown: { url: string; close: () => Promise<void> };
let browser: Browser;

beforeAll(async () => {
  server = await box();
  shown = await front(server);
  browser = await launch({ hosts: [BOX] });
});
afterAll(async () => {
  await browser?.close();
  await shown?.close();
  await server?.stop();
});
guestsLeave();

const somebody = (from: Browser, ...how: Manner) => guest(from, named(shown.url), ...how);

async function good(one: Person): Promise<void> {
  expect(await barriers(one)).toEqual([]);
  expect(await overflow(one)).toBe(0);
}

test('L0: plain http has the page about trust: what to tap on each system, the words of the screen, the very certificate', async () => {
  const screen = shownOnScreen(server);
  const bob = await somebody(browser, 'phone', { scheme: 'dark' });
  await bob.page.goto(screen.plain);
  await bob.page.locator('#en').getByText(screen.words).waitFor();
  await bob.page.locator('#zh').getByText(screen.words).waitFor();
  await shoot(bob, 'trust-page');
  for (const system of ['Android', 'iPhone', 'Windows', 'macOS', 'Linux', 'Firefox']) {
    const steps = bob.page.locator('#en details').filter({ has: bob.page.locator(`summary:has-text("${system}")`) });
    await steps.locator('summary').click();
    await steps.locator('p').waitFor();
  }
  await good(bob);
  const [download] = await Promise.all([bob.page.waitForEvent('download'), bob.page.locator('#en a.get').first().click()]);
  const print = createHash('sha256').update(await readFile(await download.path())).digest('hex').toUpperCase();
  const told = (await bob.page.locator('#en .print').innerText()).replaceAll(':', '');
  expect(print).toBe(told);
  // No password is asked for and no app is begun over plain http.
  expect(await bob.page.locator('input, script').count()).toBe(0);
  expect((await bob.page.goto(`${screen.plain}/api/v1/sync`))?.status()).toBe(404);
});

test('L1: past the warning chat and outbox work over HTTP, too, and one banner names what is missing and the way', async () => {
  const ada = await somebody(browser, 'phone');
  // As a browser or a proxy does that lets no socket through.
  await ada.context.routeWebSocket(/\/ws$/, (socket) => socket.close({ code: 1011 }));
  await comePastTheWarning(ada.page, named(shown.url));
  const hands = await setUp(ada, server);
  expect(hands.taps).toBeLessThan(5);
  // Whoever gets the invitation will see the warning, too.
  expect(await ada.page.getByRole('link', { name: 'How a device comes to trust it' }).getAttribute('href')).toBe('/trust');
  await ada.page.getByRole('button', { name: 'Start talking' }).click();
  const box = ada.page.getByRole('textbox', { name: 'Write to Harbour' });
  for (const text of ['over plain requests', 'and once more']) {
    await box.fill(text);
    await ada.page.getByRole('button', { name: 'Send' }).click();
  }
  await ada.page.getByRole('log').getByText('and once more').waitFor();
  await ada.page.getByRole('log').getByText('Waiting').first().waitFor({ state: 'detached' });
  expect(await ada.page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length)).toBe(0);
  const notes = { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('Bring the ropes.') };
  await ada.page.getByLabel('Files', { exact: true }).last().setInputFiles([notes]);
  await ada.page.getByRole('list', { name: 'Files to send' }).getByText('notes.txt').waitFor();
  await ada.page.getByRole('button', { name: 'Send', exact: true }).click();
  await ada.page.getByRole('log').getByRole('button', { name: 'Download notes.txt' }).waitFor();

  const banner = ada.page.getByRole('complementary', { name: 'How to trust it' });
  await banner.getByText(/does not trust this server’s certificate/).waitFor();
  expect(await ada.page.getByText('The fast connection does not come through').count()).toBe(0);
  await good(ada);
  await shoot(ada, 'trust-banner');

  // What is written while nothing goes through is sent when it does.
  await ada.context.setOffline(true);
  await box.fill('written in the tunnel');
  await ada.page.getByRole('button', { name: 'Send' }).click();
  await ada.page.getByRole('log').getByText('Waiting').waitFor({ state: 'attached' });
  await ada.context.setOffline(false);
  await ada.page.getByRole('log').getByText('Waiting').first().waitFor({ state: 'detached' });
  await ada.page.reload();
  await ada.page.getByRole('log').getByText('written in the tunnel').waitFor();

  await banner.getByRole('link', { name: 'How to trust it' }).click();
  await ada.page.locator('#en').getByText(shownOnScreen(server).words).waitFor();
  await ada.page.goBack();
  await banner.getByRole('button', { name: 'Hide' }).click();
  await banner.waitFor({ state: 'detached' });
});

test('L2: a browser that has the certificate among its authorities comes in without a warning, and nothing is missing', async () => {
  const home = await homeThatTrusts(server);
  const trusting = await launch({ hosts: [BOX], home });
  try {
    const ada = await somebody(trusting, 'desktop', { scheme: 'dark' });
    await ada.page.goto('/');
    await ada.page.getByLabel('Name').waitFor();
    expect(await ada.page.evaluate(() => isSecureContext)).toBe(true);
    await ada.page.getByLabel('Name').fill('ada');
    await ada.page.getByLabel('Password', { exact: true }).fill('seven quiet herons');
    await ada.page.keyboard.press('Enter');
    await ada.page.getByRole('link', { name: /Harbour/ }).click();
    await ada.page.getByRole('log').getByText('written in the tunnel').waitFor();
    await ada.page.getByRole('textbox', { name: 'Write to Harbour' }).fill('trusted');
    await ada.page.keyboard.press('Enter');
    await ada.page.getByRole('log').getByText('Waiting').first().waitFor({ state: 'detached' });
    if (await ada.page.evaluate(() => document.querySelector('link[rel=manifest]') !== null)) {
      const said = ada.page.waitForResponse((response) => response.url().endsWith('/trust/proven'));
      await ada.page.evaluate(() => sessionStorage.removeItem('kinglet-trust-said'));
      await ada.page.reload();
      expect((await said).status()).toBe(204);
      await ada.page.waitForFunction(() => navigator.serviceWorker.controller);
      // From now on plain http leads this browser on, and nobody else.
      const { plain } = shownOnScreen(server);
      await ada.page.goto(plain);
      expect(ada.page.url()).toBe(`${named(server.url)}/`);
      await ada.page.getByRole('link', { name: /Harbour/ }).waitFor();
      await ada.page.goBack();
    }
    expect(await ada.page.getByRole('complementary', { name: 'How to trust it' }).count()).toBe(0);
    expect(ada.complaints).toEqual([]);
  } finally {
    await trusting.close();
    await rm(home, { recursive: true, force: true, maxRetries: 20 });
  }
});
