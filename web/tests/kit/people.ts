// People of a browser story that are signed in, and what they say past their browsers. What must not live here: stories.
import type { Browser } from 'playwright-core';
import { uuidv7 } from '../../src/engine/ids';
import type { Ack, SignedIn } from '../../src/proto';
import { type Person, person, type Size } from './browser';
import { type Kinglet, PASSWORD } from './kinglet';

/** A browser in which somebody signs in by hand. */
export async function signIn(browser: Browser, url: string, name: string, size: Size, more = {}): Promise<Person> {
  const one = await person(browser, url, size, more);
  await one.page.goto('/');
  await one.page.locator('input').first().fill(name);
  await one.page.locator('input[type=password]').fill(PASSWORD);
  await one.page.locator('button[type=submit]').click();
  await one.page.locator('nav.list').waitFor();
  return one;
}

/** A command of somebody, by plain HTTP. */
export async function does(server: Kinglet, who: SignedIn, change: { type: string } & Record<string, unknown>): Promise<Ack> {
  const reply = await server.api(who.token).command({ id: 1, client_id: uuidv7(), ...change });
  if (reply.type !== 'ack') throw new Error('not acked');
  return reply;
}

export function says(server: Kinglet, who: SignedIn, conversation: string, text: string, more = {}): Promise<Ack> {
  return does(server, who, { type: 'send', conversation, body: { kind: 'text', text }, ...more });
}
