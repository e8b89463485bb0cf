// Walks through every page there is, in both languages and themes, at the size of a phone and of a desktop; each is held to what
// keeps people out, and is there to be looked at in screens/ afterwards. `npm run screens` takes each page in all dresses and
// makes the README's pictures; the everyday run takes them in turn in one or the other of two. What must not live here: what pages do.
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { en } from '../../src/i18n/en';
import { zh } from '../../src/i18n/zh';
import { barriers, launch, type Language, overflow, type Person, person, type Scheme, type Size } from '../kit/browser';
import { Kinglet, PASSWORD } from '../kit/kinglet';
import { front } from '../kit/preview';
import { type Scene, scene } from '../kit/scene';

const ALL = process.env.KINGLET_SCREENS === 'all';
const HOME = path.resolve(import.meta.dirname, '../..');
const PAGES = path.join(HOME, 'screens/pages');
const IMAGES = path.resolve(HOME, '../docs/images');
/** More would make the README slow. */
const IMAGE_BYTES = 120 * 1024;

type Dress = [Size, Scheme, Language];
const EVERY = (['phone', 'desktop'] as const).flatMap((size) =>
  (['light', 'dark'] as const).flatMap((scheme) => (['en', 'zh-CN'] as const).map((language): Dress => [size, scheme, language])),
);
const DRESSES: Dress[] = ALL ? EVERY : [['phone', 'light', 'en'], ['desktop', 'dark', 'zh-CN']];

let browser: Browser;
let server: Kinglet;
let empty: Kinglet;
let shown: { url: string; close: () => Promise<void> };
let unowned: { url: string; close: () => Promise<void> };
let team: Scene;
beforeAll(async () => {
  await rm(PAGES, { recursive: true, force: true });
  await Promise.all([mkdir(PAGES, { recursive: true }), mkdir(IMAGES, { recursive: true })]);
  [browser, server, empty] = await Promise.all([launch(), Kinglet.start(), Kinglet.start()]);
  shown = await front(server);
  unowned = await front(empty);
  team = await scene(server);
});
afterAll(async () => {
  await browser?.close();
  for (const one of [shown, unowned]) await one?.close();
  for (const one of [server, empty]) await one?.stop();
});

/** Until what is being fetched is there: nothing says that it takes a moment, and nothing is marked as busy. */
async function rests({ page }: Person, word: string): Promise<void> {
  await page.getByRole('heading', { level: 1 }).first().waitFor();
  await page.waitForFunction((working) => !document.body.innerText.includes(working) && !document.querySelector('[aria-busy=true]'), word);
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
}

test.concurrent.each(DRESSES)('every page, %s, %s, %s', async (size, scheme, language) => {
  const words = language === 'en' ? en : zh;
  const one = await person(browser, shown.url, size, { scheme, language });
  const wrong: string[] = [];
  const look = async (name: string) => {
    await rests(one, words.working);
    await one.page.screenshot({ path: path.join(PAGES, `${name}-${words.lang}-${scheme}-${size}.png`) });
    const found = [...(await barriers(one)), ...one.complaints.splice(0)];
    const wide = await overflow(one);
    if (wide) found.push(`it is ${wide} px too wide`);
    wrong.push(...found.map((what) => `${name}: ${what}`));
  };
  let turn = DRESSES.findIndex((dress) => dress[0] === size);
  const visit = async (name: string, address: string, url = shown.url) => {
    turn += 1;
    if (!ALL && turn % DRESSES.length) return;
    // An address that differs only behind the # would not be loaded anew.
    await one.page.goto('about:blank');
    await one.page.goto(`${url}${address}`);
    await look(name);
  };
  await visit('setup', '/', unowned.url);
  await visit('sign-in', '/sign-in');
  await visit('join', `/join#${team.code}`);
  await visit('join-bad', '/join#AAAA-BBBB');
  await visit('reset-bad', '/reset#AAAA-BBBB');
  await visit('pair', '/pair');
  await one.page.goto(`${shown.url}/sign-in`);
  await one.page.getByLabel(words.name, { exact: true }).fill('ada');
  await one.page.getByLabel(words.password, { exact: true }).fill(PASSWORD);
  await one.page.keyboard.press('Enter');
  await one.page.getByRole('link', { name: /Harbour crew/ }).waitFor();
  await look('list');
  for (const [name, label] of [['new-message', words.newMessage], ['new-group', words.newGroup], ['invite', words.invite]] as const) {
    await one.page.getByRole('button', { name: label, exact: true }).click();
    await one.page.getByRole('dialog').waitFor();
    await look(name);
    await one.page.keyboard.press('Escape');
  }
  await visit('group', `/c/${team.group}`);
  for (const side of ['details', 'threads', 'pins']) await visit(`group-${side}`, `/c/${team.group}#${side}`);
  await visit('direct', `/c/${team.direct}`);
  // Phones have no such keys.
  const shortcuts = size === 'desktop' ? ([['switcher', 'Control+k'], ['search', 'Control+f']] as const) : [];
  await one.page.goto(`${shown.url}/c/${team.group}`);
  await rests(one, words.working);
  for (const [name, keys] of shortcuts) {
    await one.page.keyboard.press(keys);
    await one.page.getByRole('dialog').waitFor();
    await look(name);
    await one.page.keyboard.press('Escape');
    await one.page.getByRole('dialog').waitFor({ state: 'detached' });
  }
  await visit('not-there', '/c/c0000000000');
  await visit('sheet', '/sheet');
  await visit('share', '/share?text=https%3A%2F%2Fexample.org');
  for (const desk of ['/me', '/admin']) {
    await visit(desk.slice(1), desk);
    await one.page.goto(`${shown.url}${desk}`);
    const links = one.page.locator(`nav a[href^="${desk}/"]`);
    await links.first().waitFor();
    const addresses = await links.evaluateAll((all) => all.map((link) => link.getAttribute('href')!));
    expect(addresses.length).toBeGreaterThan(4);
    for (const address of addresses) await visit(address.slice(1).replaceAll('/', '-'), address);
  }
  await one.context.close();
  expect(wrong).toEqual([]);
  const written = (await readdir(PAGES)).filter((name) => name.endsWith(`-${words.lang}-${scheme}-${size}.png`));
  expect(written.length).toBeGreaterThan(ALL ? 35 : 15);
});

test.runIf(ALL)('the README’s three pictures', async () => {
  const picture = async (name: string, size: Size, address: string, url = shown.url) => {
    const one = await person(browser, shown.url, size);
    if (url === shown.url) {
      await one.page.goto('/sign-in');
      await one.page.getByLabel(en.name, { exact: true }).fill('ada');
      await one.page.getByLabel(en.password, { exact: true }).fill(PASSWORD);
      await one.page.keyboard.press('Enter');
      await one.page.getByRole('link', { name: /Harbour crew/ }).waitFor();
    }
    await one.page.goto(`${url}${address}`);
    await rests(one, en.working);
    // On a busy machine the words come later than the page.
    if (address.startsWith('/c/')) await one.page.locator('.talk .message').nth(2).waitFor();
    await rests(one, en.working);
    const file = path.join(IMAGES, `${name}.png`);
    await one.page.screenshot({ path: file });
    await one.context.close();
    expect((await stat(file)).size).toBeLessThan(IMAGE_BYTES);
  };
  await picture('first-run', 'phone', '/', unowned.url);
  await picture('phone', 'phone', `/c/${team.direct}`);
  await picture('desktop', 'desktop', `/c/${team.group}`);
});
