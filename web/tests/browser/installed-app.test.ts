// The client as an app: it can be installed, opens without a network, is replaced only when somebody says so, and can be got rid
// of. What must not live here: notifications (installed-push.test.ts).
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { uuidv7 } from '../../src/engine/ids';
import type { SignedIn } from '../../src/proto';
import { compiled } from '../../scripts/worker';
import { Between } from '../kit/between';
import { barriers, confess, launch, overflow, type Person, person, shoot } from '../kit/browser';
import { Kinglet, PASSWORD } from '../kit/kinglet';
import { front } from '../kit/preview';

const HOME = path.resolve(import.meta.dirname, '../..');
let browser: Browser;
let server: Kinglet;
let shown: { url: string; close: () => Promise<void> };
let between: Between;
let ada: SignedIn;
let bob: SignedIn;
beforeAll(async () => {
  browser = await launch();
  server = await Kinglet.start();
  shown = await front(server);
  between = await Between.before(shown.url);
  ada = await server.claim('ada');
  bob = await server.join(ada, 'bob');
});
afterAll(async () => {
  await browser?.close();
  await between?.close();
  await shown?.close();
  await server?.stop();
});

async function says(text: string): Promise<string> {
  const reply = await server.api(bob.token).command({ id: 1, type: 'send', client_id: uuidv7(), to: ada.user, body: { kind: 'text', text } });
  if (reply.type !== 'ack') throw new Error('not acked');
  return reply.conversation;
}

async function texts(talk: string): Promise<string[]> {
  const reply = await server.api(bob.token).command({ id: 1, type: 'history', conversation: talk });
  return reply.type === 'history' ? reply.events.flatMap((event) => (event.kind === 'message' && event.body?.kind === 'text' ? [event.body.text] : [])) : [];
}

async function signedIn(): Promise<Person> {
  const one = await person(browser, between.url, 'phone');
  await one.page.goto('/');
  await one.page.getByLabel('Name').fill('ada');
  await one.page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await one.page.getByRole('button', { name: 'Sign in' }).click();
  await one.page.getByRole('heading', { name: 'Conversations' }).waitFor();
  await carried(one);
  return one;
}

/** Until the service worker has taken the page over. Bounded, which waiting for `ready` is not. */
const carried = ({ page }: Person) => page.waitForFunction(() => navigator.serviceWorker?.controller);

/** Until no service worker is left, and nothing that one kept. A question that nobody answers does not hold up the next. */
async function rid(one: Person): Promise<void> {
  const left = async () => [await one.page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).map((each) => each.scope)), await keeps(one)];
  const answered = () => Promise.race([left(), new Promise((then) => setTimeout(then, 5_000, 'no answer'))]);
  await expect.poll(answered, { timeout: 40_000 }).toEqual([[], []]);
}

async function telling(one: Person, story: () => Promise<void>): Promise<void> {
  try {
    await story();
  } catch (error) {
    await confess(one);
    throw error;
  } finally {
    await one.context.close();
    between.changes.clear();
    between.mend();
  }
}

/** What the service worker keeps, by address. */
const keeps = ({ page }: Person) =>
  page.evaluate(async () => {
    const all: string[] = [];
    for (const name of await caches.keys()) if (name.startsWith('kinglet-shell')) for (const one of await (await caches.open(name)).keys()) all.push(new URL(one.url).pathname);
    return all;
  });

const log = ({ page }: Person) => page.getByRole('log');
async function write({ page }: Person, text: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Write to bob' }).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

test('the browser finds nothing that keeps it from being installed, and every icon has the size and type it says', async () => {
  const one = await person(browser, shown.url, 'phone');
  await telling(one, async () => {
    await one.page.goto('/');
    await carried(one);
    const cdp = await one.context.newCDPSession(one.page);
    const { errors } = await cdp.send('Page.getAppManifest');
    expect(errors).toEqual([]);
    const { installabilityErrors } = await cdp.send('Page.getInstallabilityErrors');
    // A context of a test is like a private window.
    expect(installabilityErrors.filter((error) => error.errorId !== 'in-incognito')).toEqual([]);
    for (const name of ['manifest', 'manifest-zh']) {
      const got = await fetch(`${shown.url}/${name}.webmanifest`);
      expect(got.headers.get('content-type')).toContain('application/manifest+json');
      const { icons, display } = (await got.json()) as { display: string; icons: { src: string; sizes: string; type: string; purpose?: string }[] };
      expect(display).toBe('standalone');
      expect(icons.some((icon) => icon.purpose === 'maskable')).toBe(true);
      for (const { src, sizes, type } of icons) {
        const icon = await fetch(`${shown.url}${src}`);
        expect(icon.headers.get('content-type')).toContain(type);
        // Width and height stand at a fixed place in a PNG.
        const bytes = Buffer.from(await icon.arrayBuffer());
        if (type === 'image/png') expect(`${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}`).toBe(sizes);
      }
    }
    const frames = () => one.page.locator('meta[name=theme-color]').evaluateAll((all) => all.map((meta) => (meta as HTMLMetaElement).content));
    expect(await frames()).toEqual(['#f5f6f4', '#141716']);
    await one.page.evaluate(() => localStorage.setItem('kinglet-theme', 'dark'));
    await one.page.reload();
    await expect.poll(frames).toEqual(['#141716', '#141716']);
    expect(one.complaints).toEqual([]);
  });
});

test('it opens without a network where one left off, keeps what is written, and keeps no answer of the server', async () => {
  const talk = await says('Hello');
  const one = await signedIn();
  await telling(one, async () => {
    await one.page.getByRole('link', { name: /bob/ }).click();
    await log(one).getByText('Hello').waitFor();
    between.cut();
    await one.page.reload();
    await log(one).getByText('Hello').waitFor();
    await write(one, 'from the train');
    await log(one).getByText('Waiting', { exact: true }).waitFor();
    // A page that was never opened before, by its address.
    one.page.on('dialog', (dialog) => void dialog.accept());
    await one.page.goto('/?new=message');
    await one.page.getByRole('dialog').getByRole('button', { name: 'bob' }).waitFor();
    await shoot(one, 'without-network');
    expect(await barriers(one)).toEqual([]);
    expect(await overflow(one)).toBe(0);
    between.mend();
    await expect.poll(() => texts(talk), { timeout: 20_000 }).toEqual(['Hello', 'from the train']);
    const kept = await keeps(one);
    expect(kept).toContain('/');
    expect(kept.filter((address) => !/^\/($|assets\/|[\w-]+\.(svg|png|webmanifest)$)/.test(address))).toEqual([]);
    // It is the worker that keeps the page: it is not asked for again.
    between.asked.length = 0;
    await one.page.goto(`/c/${talk}`);
    await log(one).getByText('from the train').waitFor();
    expect(between.asked.filter((address) => address.startsWith('/c/') || address.startsWith('/assets/'))).toEqual([]);
    expect(one.complaints).toEqual([]);
  });
});

test('a new version waits until somebody says so, and then nothing that was written is lost', async () => {
  const talk = await says('Is it new?');
  const one = await signedIn();
  await telling(one, async () => {
    const version = () => one.page.evaluate(() => document.querySelector('meta[name=referrer]')?.id);
    await one.page.goto(`/c/${talk}`);
    await log(one).getByText('Is it new?').waitFor();
    between.cut();
    await write(one, 'still waiting');
    await log(one).getByText('Waiting', { exact: true }).waitFor();
    between.changes.set('/', (page) => page.replace('<meta name="referrer"', '<meta id="newer" name="referrer"'));
    between.changes.set('/sw.js', (script) => script.replace(/[0-9a-f]{12}(?=["'`])/, 'fedcba987654'));
    between.mend();
    // Found by itself, once the line is there again.
    const waits = () => one.page.evaluate(async () => Boolean((await navigator.serviceWorker.getRegistration())?.waiting));
    await expect.poll(waits, { timeout: 20_000 }).toBe(true);
    await expect.poll(() => texts(talk), { timeout: 20_000 }).toContain('still waiting');
    await one.page.reload();
    await log(one).getByText('still waiting').waitFor();
    expect(await version()).toBe('');
    await one.page.getByRole('textbox', { name: 'Write to bob' }).fill('half a thought');
    await one.page.getByRole('button', { name: 'Reload' }).waitFor();
    expect(await barriers(one)).toEqual([]);
    await shoot(one, 'newer');
    between.cut();
    await one.page.getByRole('button', { name: 'Reload' }).click();
    await one.page.waitForFunction(() => document.querySelector('meta[name=referrer]')?.id === 'newer');
    await log(one).getByText('still waiting').waitFor();
    expect(await version()).toBe('newer');
    expect(await one.page.getByRole('textbox', { name: 'Write to bob' }).inputValue()).toBe('half a thought');
    expect(one.complaints).toEqual([]);
  });
});

test('a page of another version than the worker’s is not kept', async () => {
  between.changes.set('/', (page) => page.replace(/\/assets\/index-[\w-]{8}\.js/, '/assets/index-replaced.js'));
  const one = await person(browser, between.url, 'desktop');
  await telling(one, async () => {
    await one.page.goto('/sw.js');
    const outcome = await one.page.evaluate(async () => {
      const { trustedTypes } = globalThis as unknown as { trustedTypes?: { createPolicy(name: string, rules: object): { createScriptURL(url: string): string } } };
      const policy = trustedTypes?.createPolicy('kinglet-worker', { createScriptURL: (url: string) => url });
      const { installing } = await navigator.serviceWorker.register(policy?.createScriptURL('/sw.js') ?? '/sw.js');
      return new Promise((resolve) => installing?.addEventListener('statechange', () => resolve(installing.state)));
    });
    expect(outcome).toBe('redundant');
  });
});

test('all that is kept can be got rid of: by whoever has it, and by a build without a worker', async () => {
  const one = await signedIn();
  await telling(one, async () => {
    between.asked.length = 0;
    await one.page.goto('/?fresh');
    await one.page.getByRole('heading', { name: 'Conversations' }).waitFor();
    expect(between.asked).toContain('/?fresh');
    await rid(one);
    await one.page.goto('/');
    await carried(one);
    const off = await compiled(HOME, 'off.ts', {});
    between.changes.set('/sw.js', () => off);
    await one.page.evaluate(async () => void (await navigator.serviceWorker.getRegistration())?.update());
    await rid(one);
    await one.page.getByRole('heading', { name: 'Conversations' }).waitFor();
  });
});

test('installing is spoken of to who came back and talks, by the browser’s question or in words, and not again after a no', async () => {
  await says('Welcome back');
  for (const apple of [false, true]) {
    const one = await person(browser, between.url, 'phone', apple ? { scheme: 'dark', language: 'zh-CN' } : {});
    await telling(one, async () => {
      if (apple) await one.context.addInitScript(() => Object.defineProperties(navigator, { userAgent: { value: 'iPhone Safari' }, standalone: { value: false } }));
      await one.page.goto('/');
      await one.page.getByLabel(apple ? '名字' : 'Name', { exact: true }).fill('ada');
      await one.page.getByLabel(apple ? '密码' : 'Password', { exact: true }).fill(PASSWORD);
      await one.page.getByRole('button', { name: apple ? '登录' : 'Sign in' }).click();
      await one.page.getByRole('link', { name: /bob/ }).waitFor();
      const hint = one.page.getByRole('complementary', { name: apple ? '作为应用' : 'As an app' });
      expect(await hint.count()).toBe(0);
      await one.page.evaluate(() => localStorage.setItem('kinglet-first-day', String(Date.now() - 2 * 86_400_000)));
      await one.page.reload();
      await one.page.getByRole('link', { name: /bob/ }).waitFor();
      const asks = () =>
        one.page.evaluate(() => dispatchEvent(Object.assign(new Event('beforeinstallprompt'), { prompt: async () => ((document.body.dataset.asked = 'yes'), { outcome: 'dismissed' }) })));
      if (!apple) await asks();
      await hint.waitFor();
      expect(await barriers(one)).toEqual([]);
      expect(await overflow(one)).toBe(0);
      await shoot(one, apple ? 'install-apple' : 'install');
      await hint.getByRole('button', { name: apple ? '以后再说' : 'Install Kinglet' }).click();
      await hint.waitFor({ state: 'detached' });
      if (!apple) expect(await one.page.evaluate(() => document.body.dataset.asked)).toBe('yes');
      await one.page.reload();
      await one.page.getByRole('link', { name: /bob/ }).waitFor();
      if (!apple) await asks();
      expect(await hint.count()).toBe(0);
      expect(one.complaints).toEqual([]);
    });
  }
});

test('what another app shares becomes what one has begun to write, where one wants it', async () => {
  await says('Send me that link');
  const one = await signedIn();
  await telling(one, async () => {
    await one.page.goto('/share?title=Birds&text=Look%20at%20these%0Ahttps%3A%2F%2Fexample.org%2Fbirds&url=https%3A%2F%2Fexample.org%2Fbirds');
    await one.page.getByRole('heading', { name: 'Share with…' }).waitFor();
    expect(await barriers(one)).toEqual([]);
    expect(await overflow(one)).toBe(0);
    await shoot(one, 'share');
    await one.page.getByRole('button', { name: 'bob' }).click();
    await log(one).getByText('Send me that link').waitFor();
    expect(await one.page.getByRole('textbox', { name: 'Write to bob' }).inputValue()).toContain('Birds\nLook at these\nhttps://example.org/birds');
    expect(one.complaints).toEqual([]);
  });
});
