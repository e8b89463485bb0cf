// Ada, Bob and whoever else is wanted on one server, and what they do by the server's own door and in their browsers. What must not
// live here: stories.
import type { Browser } from 'playwright-core';
import { expect } from 'vitest';
import { uuidv7 } from '../../src/engine/ids';
import type { Ack, SignedIn } from '../../src/proto';
import { barriers, confess, overflow, type Person, type Size } from './browser';
import { Kinglet } from './kinglet';
import { front } from './preview';
import { type Dress, Sessions } from './sessions';

export class Talkers {
  here: Person[] = [];

  private constructor(
    private readonly sessions: Sessions,
    readonly server: Kinglet,
    readonly shown: { url: string; close: () => Promise<void> },
    readonly ada: SignedIn,
    readonly bob: SignedIn,
    readonly others: Readonly<Record<string, SignedIn>>,
  ) {}

  static async meet(browser: Browser, env: Record<string, string> = {}, ...others: string[]): Promise<Talkers> {
    const server = await Kinglet.start(env);
    const shown = await front(server);
    const ada = await server.claim('ada');
    const bob = await server.join(ada, 'bob');
    const more: Record<string, SignedIn> = {};
    for (const name of others) more[name] = await server.join(ada, name);
    return new Talkers(new Sessions(browser), server, shown, ada, bob, more);
  }

  async part(): Promise<void> {
    await this.leave();
    await this.shown.close();
    await this.server.stop();
  }

  /** After each story. */
  async leave(failed = false): Promise<void> {
    if (failed) for (const one of this.here) await confess(one);
    for (const one of this.here.splice(0)) await this.sessions.close(one);
  }

  /** In the middle of a story. */
  async left(one: Person): Promise<void> {
    this.here = this.here.filter((other) => other !== one);
    await this.sessions.close(one);
  }

  async at(name: string, size: Size, more: { url?: string; path?: string } & Dress = {}): Promise<Person> {
    const { url = this.shown.url, path, ...dress } = more;
    const one = await this.sessions.open(name, url, size, dress);
    this.here.push(one);
    if (path) {
      await one.page.goto(path);
      await one.page.locator('.head h1').waitFor();
    }
    return one;
  }

  async command(who: SignedIn, frame: { type: string } & Record<string, unknown>): Promise<Ack> {
    const reply = await this.server.api(who.token).command({ id: 1, client_id: uuidv7(), ...frame });
    if (reply.type !== 'ack') throw new Error(`${frame.type} was not acked: ${JSON.stringify(reply)}`);
    return reply;
  }

  says(who: SignedIn, to: SignedIn | string, text: string, more = {}): Promise<Ack> {
    const where = typeof to === 'string' ? { conversation: to } : { to: to.user };
    return this.command(who, { type: 'send', ...where, body: { kind: 'text', text }, ...more });
  }

  /** Of Ada, with Bob and more. */
  async group(title: string, more: readonly SignedIn[] = [], rest = {}): Promise<string> {
    const members = [this.bob, ...more].map(({ user }) => user);
    const frame = { type: 'create', kind: 'group', title, members, history: true, ...rest };
    return (await this.command(this.ada, frame)).conversation;
  }

  /** What the server has of it. */
  async texts(who: SignedIn, conversation: string): Promise<string[]> {
    const reply = await this.server.api(who.token).command({ id: 1, type: 'history', conversation, limit: 100 });
    if (reply.type !== 'history') throw new Error('no history');
    return reply.events.flatMap((event) => (event.kind === 'message' && event.body?.kind === 'text' ? [event.body.text] : []));
  }
}

/** Beside it there may be that of a thread. */
export const log = ({ page }: Person) => page.locator('.talk').getByRole('log');
export const box = ({ page }: Person) => page.locator('.talk').getByRole('textbox', { name: /Write to|发消息给/ });
export const row = (one: Person, text: string) => log(one).locator('.message', { has: one.page.locator('.said', { hasText: text }) }).last();

export async function write(one: Person, text: string): Promise<void> {
  await box(one).fill(text);
  await one.page.locator('.talk .composer').getByRole('button', { name: /Send|发送/ }).click();
}

/** Nothing keeps anybody out, nothing sticks out, nothing complained. */
export async function good(one: Person, where = one.page.url()): Promise<void> {
  expect(await barriers(one), where).toEqual([]);
  expect(await overflow(one), where).toBe(0);
  expect(one.complaints, where).toEqual([]);
}
