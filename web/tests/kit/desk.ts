// What stories about settings share: one server and one browser for all of a file, people signed in, a page looked at with
// everything that a page has to be. What must not live here: stories.
import type { Browser } from 'playwright-core';
import { confess, launch, type Person, shoot, type Size } from './browser';
import { Kinglet } from './kinglet';
import { front } from './preview';
import { type Dress, Sessions } from './sessions';
import { good } from './talkers';

export { good };

export class Desk {
  readonly here: Person[] = [];
  private readonly sessions: Sessions;

  private constructor(
    readonly server: Kinglet,
    private readonly browser: Browser,
    private readonly shown: { url: string; close: () => Promise<void> },
  ) {
    this.sessions = new Sessions(browser);
  }

  static async open(env: Record<string, string> = {}): Promise<Desk> {
    const [browser, server] = await Promise.all([launch(), Kinglet.start(env)]);
    return new Desk(server, browser, await front(server));
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.shown.close();
    await this.server.stop();
  }

  get url(): string {
    return this.shown.url;
  }

  async confess(): Promise<void> {
    for (const one of this.here) await confess(one);
  }

  async at(name: string, size: Size, dress: Dress = {}): Promise<Person> {
    const one = await this.sessions.open(name, this.shown.url, size, dress);
    this.here.push(one);
    return one;
  }

  /** `spent`: this device, or who it is, is not what it was. */
  async leave(one: Person, spent = false): Promise<void> {
    this.here.splice(this.here.indexOf(one), 1);
    await this.sessions.close(one, spent);
  }
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
