// People who have signed in once need not do so again: a later browser of theirs begins with what the first one kept. What must not
// live here: servers, and what people do.
import type { Browser, BrowserContext } from 'playwright-core';
import { type Person, person, type Size } from './browser';
import { PASSWORD } from './kinglet';

type State = Awaited<ReturnType<BrowserContext['storageState']>>;
export type Dress = Parameters<typeof person>[3];

/** On one server. Each is a device of its own, and in one browser at a time: who is in two at once signs in twice. */
export class Sessions {
  private readonly free = new Map<string, State[]>();
  private readonly lent = new Map<Person, [string, State]>();

  constructor(private readonly browser: Browser) {}

  async open(name: string, url: string, size: Size, dress: Dress = {}): Promise<Person> {
    const key = `${name} ${url}`;
    const state = this.free.get(key)?.pop();
    const one = await person(this.browser, url, size, { ...dress, ...(state ? { state } : {}) });
    await one.page.goto('/');
    const chinese = dress.language === 'zh-CN';
    if (!state) await signIn(one, name, chinese);
    await one.page.getByRole('heading', { name: chinese ? '会话' : 'Conversations' }).waitFor();
    this.lent.set(one, [key, state ?? (await one.context.storageState({ indexedDB: true }))]);
    return one;
  }

  /** `spent`: it is signed out, or what it kept is of no use any more. */
  async close(one: Person, spent = false): Promise<void> {
    await one.context.close();
    const [key, state] = this.lent.get(one) ?? [];
    this.lent.delete(one);
    if (key && state && !spent) this.free.set(key, [...(this.free.get(key) ?? []), state]);
  }
}

async function signIn({ page }: Person, name: string, chinese: boolean): Promise<void> {
  await page.getByLabel(chinese ? '名字' : 'Name').fill(name);
  await page.getByLabel(chinese ? '密码' : 'Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: chinese ? '登录' : 'Sign in' }).click();
}
