// Being told of messages: by a push service while the client is closed, by the page while it is open, and in words where neither
// can be. Chromium reaches no push service from here, so the story gives it a subscription and hands it what the service got.
// What must not live here: what the app does without a network (installed-app.test.ts).
import type { Browser, CDPSession, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { uuidv7 } from '../../src/engine/ids';
import type { SignedIn } from '../../src/proto';
import { barriers, confess, launch, overflow, PLAIN_HOST, type Person, person, shoot } from '../kit/browser';
import { Kinglet, PASSWORD } from '../kit/kinglet';
import { front } from '../kit/preview';
import { PushService } from '../kit/pushservice';

let browser: Browser;
let service: PushService;
let server: Kinglet;
let shown: { url: string; close: () => Promise<void> };
let ada: SignedIn;
let bob: SignedIn;
beforeAll(async () => {
  [browser, service] = await Promise.all([launch(), PushService.start()]);
  server = await Kinglet.start({ ...service.env, KINGLET_LISTEN_HOSTS: PLAIN_HOST });
  shown = await front(server);
  ada = await server.claim('ada');
  bob = await server.join(ada, 'bob');
});
afterAll(async () => {
  await browser?.close();
  await shown?.close();
  await server?.stop();
  await service?.close();
});

async function says(text: string): Promise<string> {
  const reply = await server.api(bob.token).command({ id: 1, type: 'send', client_id: uuidv7(), to: ada.user, body: { kind: 'text', text } });
  if (reply.type !== 'ack') throw new Error('not acked');
  return reply.conversation;
}

/** A subscription in place of the one that the browser would fetch from its maker. */
function subscribes(subscription: object): void {
  let made: object | null = null;
  const manager = PushManager.prototype as unknown as Record<string, unknown>;
  manager.getSubscription = async () => made;
  manager.subscribe = async ({ applicationServerKey }: { applicationServerKey: Uint8Array }) => {
    made = { options: { applicationServerKey: applicationServerKey.buffer }, toJSON: () => subscription, unsubscribe: async () => Boolean((made = null)) || true };
    return made;
  };
}

async function comesIn(one: Person, url = shown.url, words = { name: 'Name', password: 'Password', go: 'Sign in' }): Promise<void> {
  await one.page.goto(url);
  await one.page.getByLabel(words.name, { exact: true }).fill('ada');
  await one.page.getByLabel(words.password, { exact: true }).fill(PASSWORD);
  await one.page.getByRole('button', { name: words.go }).click();
}

async function good(one: Person): Promise<void> {
  expect(await barriers(one)).toEqual([]);
  expect(await overflow(one)).toBe(0);
  // Contexts of tests are private windows, to which Chromium gives no push and says so.
  expect(one.complaints.filter((text) => !text.includes('incognito'))).toEqual([]);
}

/** Hands the worker what a push service would. */
async function deliverer(cdp: CDPSession): Promise<(data: string) => Promise<void>> {
  const known = new Promise<string>((resolve) => {
    cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      const mine = registrations.find((one) => one.scopeURL === `${shown.url}/` && !one.isDeleted);
      if (mine) resolve(mine.registrationId);
    });
  });
  await cdp.send('ServiceWorker.enable');
  const registrationId = await known;
  return (data) => cdp.send('ServiceWorker.deliverPushMessage', { origin: shown.url, registrationId, data }).then(() => {});
}

/** Pages of a test believe that they have the focus, all of them, until they are told otherwise. */
async function losesFocus({ page, context }: Person): Promise<void> {
  const cdp = await context.newCDPSession(page);
  for (const enabled of [true, false]) await cdp.send('Emulation.setFocusEmulationEnabled', { enabled });
}

const notices = (page: Page) =>
  page.evaluate(async () => {
    const registration = await navigator.serviceWorker.getRegistration();
    return ((await registration?.getNotifications()) ?? []).map(({ title, body, tag }) => ({ title, body, tag }));
  });

/** A tap on a notification, as the worker hears of it. */
const taps = ({ context }: Person, tag: string) =>
  context.serviceWorkers()[0]!.evaluate(async (tag) => {
    const scope = globalThis as unknown as { registration: ServiceWorkerRegistration; dispatchEvent(event: Event): void };
    const [notification] = await scope.registration.getNotifications({ tag });
    const Made = (globalThis as unknown as { NotificationEvent: new (type: string, init: object) => Event }).NotificationEvent;
    scope.dispatchEvent(new Made('notificationclick', { notification }));
  }, tag);

test('turned on by a tap, tested, told while closed with names and text or without, opened by a tap, taken away when read', async () => {
  const one = await person(browser, shown.url, 'phone');
  try {
    await one.context.grantPermissions(['notifications'], { origin: shown.url });
    await one.context.addInitScript(subscribes, service.subscription);
    await comesIn(one);
    await one.page.waitForFunction(() => navigator.serviceWorker.controller);
    const deliver = await deliverer(await one.context.newCDPSession(one.page));
    await one.page.goto('/me/here');
    await one.page.getByRole('button', { name: 'Turn on notifications' }).click();
    await one.page.getByText('Notifications are on here.').waitFor();
    const test = one.page.getByRole('button', { name: 'Send a test' });
    await test.waitFor();
    await one.page.getByLabel('Show names and what was written').check();
    await test.click();
    await one.page.getByText('127.0.0.1 took the test (201).').waitFor();
    await deliver(await service.next());
    await one.page.getByText('It arrived here.').waitFor();
    expect(await notices(one.page)).toMatchObject([{ title: 'It works' }]);
    await good(one);
    await shoot(one, 'device-on');
    service.status = 403;
    await test.click();
    await one.page.getByText('127.0.0.1 did not take the test: it answered 403.').waitFor();
    service.status = 201;

    // Closed: the server sends to who is not connected.
    const away = () => one.page.goto('/icon.svg');
    await away();
    const talk = await says('Five minutes');
    await deliver(await service.next());
    await expect.poll(() => notices(one.page)).toContainEqual({ title: 'bob', body: 'Five minutes', tag: talk });
    await one.page.goto('/');
    // Read, wherever that was, it is told of no more.
    await one.page.getByRole('link', { name: /bob/ }).click();
    await one.page.getByRole('log').getByText('Five minutes').waitFor();
    await expect.poll(() => notices(one.page).then((all) => all.filter(({ tag }) => tag === talk))).toEqual([]);

    await one.page.goto('/me/here');
    await one.page.getByLabel('Show names and what was written').uncheck();
    await one.page.getByRole('button', { name: 'Send a test' }).waitFor();
    await away();
    await says('between us');
    const bare = await service.next();
    expect(bare).not.toContain('between us');
    await deliver(bare);
    // The name is known here, so it need not come by the push service.
    await expect.poll(() => notices(one.page)).toContainEqual({ title: 'bob', body: '1 unread message', tag: talk });
    await one.page.goto('/');
    await one.page.getByRole('link', { name: /bob/ }).waitFor();
    await taps(one, talk);
    await one.page.getByRole('log').getByText('between us').waitFor();
    expect(new URL(one.page.url()).pathname).toBe(`/c/${talk}`);
  } catch (error) {
    await confess(one);
    throw error;
  } finally {
    await one.context.close();
  }
});

test('while it is open it tells by itself what one wants to be told of, and nothing of what one has silenced', async () => {
  const one = await person(browser, shown.url, 'desktop');
  try {
    await one.context.grantPermissions(['notifications'], { origin: shown.url });
    await comesIn(one);
    await one.page.waitForFunction(() => navigator.serviceWorker.controller);
    await one.page.goto('/me/here');
    await one.page.getByRole('button', { name: 'Turn on notifications' }).click();
    // Chromium knows no push service here, and says so.
    await one.page.getByText('While Kinglet is closed nothing comes yet: the browser could not reach its push service').waitFor();
    await good(one);
    await shoot(one, 'device-failed');
    await one.page.getByLabel('Show names and what was written').check();
    await one.page.goto('/');
    await one.page.waitForFunction(() => performance.getEntriesByType('resource').some(({ name }) => name.includes('/tell-')));
    // Who has the page before them needs no telling.
    const talk = await says('seen at once');
    await one.page.getByRole('link', { name: /bob/ }).getByText('seen at once').waitFor();
    await losesFocus(one);
    const elsewhere = await one.context.newPage();
    await elsewhere.bringToFront();
    await says('silence please');
    await expect.poll(() => notices(one.page)).toEqual([{ title: 'bob', body: 'silence please', tag: talk }]);
    await one.page.bringToFront();
    await one.page.goto(`/c/${talk}`);
    await one.page.getByRole('log').getByText('silence please').waitFor();
    await expect.poll(() => notices(one.page)).toEqual([]);
    await one.page.goto('/');
    await one.page.getByRole('link', { name: /bob/ }).waitFor();
    await one.page.waitForFunction(() => performance.getEntriesByType('resource').some(({ name }) => name.includes('/tell-')));
    await losesFocus(one);
    await elsewhere.bringToFront();
    const set = { id: 1, type: 'set', key: 'notify', conversation: talk, value: { level: 'none' } };
    await server.api(ada.token).command(set);
    const eve = await server.join(ada, 'eve');
    const word = async (from: SignedIn, text: string) => {
      await server.api(from.token).command({ id: 1, type: 'send', client_id: uuidv7(), to: ada.user, body: { kind: 'text', text } });
    };
    await word(bob, 'not to be told');
    await word(eve, 'to be told');
    await expect.poll(() => notices(one.page)).toMatchObject([{ title: 'eve', body: 'to be told' }]);
  } catch (error) {
    await confess(one);
    throw error;
  } finally {
    await one.context.close();
  }
});

test.each<[string, string, () => void, 'phone' | 'desktop', 'light' | 'dark', 'en' | 'zh-CN', string]>([
  ['blocked', 'url', () => Object.defineProperty(Notification, 'permission', { get: () => 'denied' }), 'phone', 'dark', 'en', 'Notifications are blocked'],
  ['absent', 'url', () => void delete (globalThis as { Notification?: unknown }).Notification, 'desktop', 'light', 'zh-CN', '此浏览器不支持网页通知'],
  ['insecure', 'plain', () => {}, 'phone', 'light', 'zh-CN', '通知需要安全连接'],
])('where there are no notifications the page says why and what to do: %s', async (name, where, without, size, scheme, language, words) => {
  const url = where === 'plain' ? shown.url.replace('127.0.0.1', PLAIN_HOST) : shown.url;
  const one = await person(browser, url, size, { scheme, language });
  try {
    await one.context.addInitScript(without);
    const zh = language === 'zh-CN';
    await comesIn(one, url, zh ? { name: '名字', password: '密码', go: '登录' } : undefined);
    await one.page.getByRole('navigation', { name: zh ? '会话' : 'Conversations' }).waitFor();
    await one.page.goto('/me/here');
    await one.page.getByText(words).waitFor();
    await good(one);
    await shoot(one, `device-${name}-${scheme}`);
  } catch (error) {
    await confess(one);
    throw error;
  } finally {
    await one.context.close();
  }
});
