// Ada and Bob on one server, and what they do by the server's own door and in their browsers. What must not live here: stories.
import type { Browser } from 'playwright-core';
import { expect } from 'vitest';
import { uuidv7 } from '../../src/engine/ids';
import type { Ack, SignedIn } from '../../src/proto';
import { barriers, confess, overflow, type Person, person, type Size } from './browser';
import { Kinglet, PASSWORD } from './kinglet';
import { front } from './preview';

export class Talkers {
  here: Person[] = [];

  private constructor(
    private readonly browser: Browser,
    readonly server: Kinglet,
    readonly shown: { url: string; close: () => Promise<void> },
    readonly ada: SignedIn,
    readonly bob: SignedIn,
  ) {}

  static async meet(browser: Browser, env: Record<string, string> = {}): Promise<Talkers> {
    const server = await Kinglet.start(env);
    const shown = await front(server);
    const ada = await server.claim('ada');
    return new Talkers(browser, server, shown, ada, await server.join(ada, 'bob'));
  }

  async part(): Promise<void> {
    await this.leave();
    await this.shown.close();
    await this.server.stop();
  }

  /** After each story. */
  async leave(failed = false): Promise<void> {
    if (failed) for (const one of this.here) await confess(one);
    for (const one of this.here) await one.context.close();
    this.here = [];
  }

  async at(name: string, size: Size, more: { url?: string } & Parameters<typeof person>[3] = {}): Promise<Person> {
    const { url = this.shown.url, ...rest } = more;
    const one = await person(this.browser, url, size, rest);
    this.here.push(one);
    await one.page.goto('/');
    const chinese = rest.language === 'zh-CN';
    await one.page.getByLabel(chinese ? '名字' : 'Name').fill(name);
    await one.page.getByLabel(chinese ? '密码' : 'Password', { exact: true }).fill(PASSWORD);
    await one.page.getByRole('button', { name: chinese ? '登录' : 'Sign in' }).click();
    await one.page.getByRole('heading', { name: chinese ? '会话' : 'Conversations' }).waitFor();
    return one;
  }

  async command(who: SignedIn, frame: { type: string } & Record<string, unknown>): Promise<Ack> {
    const reply = await this.server.api(who.token).command({ id: 1, client_id: uuidv7(), ...frame });
    if (reply.type !== 'ack') throw new Error(`${frame.type} was not acked: ${JSON.stringify(reply)}`);
    return reply;
  }

  says(who: SignedIn, to: SignedIn | string, text: string): Promise<Ack> {
    const where = typeof to === 'string' ? { conversation: to } : { to: to.user };
    return this.command(who, { type: 'send', ...where, body: { kind: 'text', text } });
  }

  async group(title: string, more: readonly SignedIn[] = []): Promise<string> {
    const members = [this.bob, ...more].map(({ user }) => user);
    const frame = { type: 'create', kind: 'group', title, members, history: true };
    return (await this.command(this.ada, frame)).conversation;
  }

  /** What the server has of it. */
  async texts(who: SignedIn, conversation: string): Promise<string[]> {
    const reply = await this.server.api(who.token).command({ id: 1, type: 'history', conversation, limit: 100 });
    if (reply.type !== 'history') throw new Error('no history');
    return reply.events.flatMap((event) => (event.kind === 'message' && event.body?.kind === 'text' ? [event.body.text] : []));
  }
}

export const log = ({ page }: Person) => page.getByRole('log');
export const box = ({ page }: Person) => page.getByRole('textbox', { name: /Write to|发消息给/ });

export async function write(one: Person, text: string): Promise<void> {
  await box(one).fill(text);
  await one.page.getByRole('button', { name: 'Send' }).click();
}

/** Nothing keeps anybody out, nothing sticks out, nothing complained. */
export async function good(one: Person): Promise<void> {
  expect(await barriers(one)).toEqual([]);
  expect(await overflow(one)).toBe(0);
  expect(one.complaints).toEqual([]);
}
