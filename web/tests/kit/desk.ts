// What stories about settings share: one server and one browser for all of a file, people signed in, a page looked at with
// everything that a page has to be. What must not live here: stories.
import type { Browser } from 'playwright-core';
import { expect } from 'vitest';
import { barriers, confess, launch, overflow, type Person, person, shoot, type Size } from './browser';
import { Kinglet, PASSWORD } from './kinglet';
import { front } from './preview';

export class Desk {
  readonly here: Person[] = [];

  private constructor(
    readonly server: Kinglet,
    private readonly browser: Browser,
    private readonly shown: { url: string; close: () => Promise<void> },
  ) {}

  static async open(env: Record<string, string> = {}): Promise<Desk> {
    const [browser, server] = await Promise.all([launch(), Kinglet.start(env)]);
    return new Desk(server, browser, await front(server));
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.shown.close();
    await this.server.stop();
  }

  async confess(): Promise<void> {
    for (const one of this.here) await confess(one);
  }

  /** Somebody who has signed in by the form. */
  async at(name: string, size: Size, more: { scheme?: 'light' | 'dark'; language?: 'en' | 'zh-CN' } = {}): Promise<Person> {
    const one = await person(this.browser, this.shown.url, size, more);
    this.here.push(one);
    const zh = more.language === 'zh-CN';
    await one.page.goto('/');
    await one.page.getByLabel(zh ? '名字' : 'Name').fill(name);
    await one.page.getByLabel(zh ? '密码' : 'Password', { exact: true }).fill(PASSWORD);
    await one.page.getByRole('button', { name: zh ? '登录' : 'Sign in' }).click();
    await one.page.getByRole('heading', { name: zh ? '会话' : 'Conversations' }).waitFor();
    return one;
  }

  async leave(one: Person): Promise<void> {
    await one.context.close();
    this.here.splice(this.here.indexOf(one), 1);
  }
}

/** No barrier, nothing sticking out, no complaint. */
export async function good(one: Person, where = one.page.url()): Promise<void> {
  expect(await barriers(one), where).toEqual([]);
  expect(await overflow(one), where).toBe(0);
  expect(one.complaints, where).toEqual([]);
}

/** Each page of a menu, reached by its link and left by the way back on a phone. */
export async function walk(one: Person, base: '/me' | '/admin', name: string): Promise<string[]> {
  const { page, size } = one;
  await page.goto(base);
  const links = page.locator('.desk > nav li a');
  await links.first().waitFor();
  const ways = await links.evaluateAll((all) => all.map((link) => link.getAttribute('href')!));
  if (size === 'phone') {
    await good(one);
    await shoot(one, `${name}-list`);
  }
  for (const way of ways) {
    await page.locator(`.desk > nav a[href="${way}"]`).click();
    await page.locator('.desk-page h1').waitFor();
    await page.locator('.desk-page .loading').waitFor({ state: 'detached' });
    await good(one);
    await shoot(one, `${name}-${way.split('/').at(-1)}`);
    if (size === 'phone') await page.locator('.page-head .back').click();
  }
  return ways;
}
