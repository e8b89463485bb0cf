// WebKit as Debian's WebKitGTK brings it, the nearest to Safari that there is here, driven by its own WebDriver. What must not
// live here: what people do in it (visitor.ts).
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { freePort } from './kinglet';
import { type Drive, gone, program } from './visitor';

/** GTK draws nowhere without a display: the machine's own, or one in memory. Its number comes through a pipe. */
async function display(): Promise<{ name: string; close: () => Promise<void> }> {
  if (process.env.DISPLAY) return { name: process.env.DISPLAY, close: async () => {} };
  const binary = program('Xvfb', 'xvfb', ['/usr/bin/Xvfb']);
  const args = ['-displayfd', '3', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'];
  const child = spawn(binary, args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  const number = await new Promise<string>((resolve, reject) => {
    child.stdio[3]!.once('data', (bytes: Buffer) => resolve(bytes.toString().trim()));
    child.once('exit', (code) => reject(new Error(`Xvfb ended with ${code}`)));
  });
  return { name: `:${number}`, close: () => gone(child) };
}

async function miniBrowser(): Promise<string> {
  const root = '/usr/lib';
  const places = await Promise.all(
    (await readdir(root)).filter((one) => one.endsWith('-linux-gnu')).map(async (one) => {
      const versions = (await readdir(path.join(root, one))).filter((name) => /^webkit(2gtk|gtk)-\d/.test(name));
      return versions.map((name) => path.join(root, one, name, 'MiniBrowser'));
    }),
  );
  return program('WebKit’s MiniBrowser', 'webkit2gtk-driver', places.flat());
}

export async function webkit(): Promise<Drive> {
  const driver = program('WebKitWebDriver', 'webkit2gtk-driver', ['/usr/bin/WebKitWebDriver'], process.env.KINGLET_WEBKIT_DRIVER);
  const binary = await miniBrowser();
  const screen = await display();
  const home = await mkdtemp(path.join(os.tmpdir(), 'kinglet-webkit-'));
  const port = await freePort();
  const child = spawn(driver, [`--port=${port}`], {
    // There is no graphics card in a container.
    env: { ...process.env, DISPLAY: screen.name, HOME: home, XDG_RUNTIME_DIR: home, LANG: 'C.UTF-8', LIBGL_ALWAYS_SOFTWARE: '1', WEBKIT_DISABLE_DMABUF_RENDERER: '1' },
    stdio: 'ignore',
  });
  const call = async <T>(method: string, place: string, body?: object): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${port}${place}`, { method, ...(body ? { body: JSON.stringify(body) } : {}) });
    const { value } = (await response.json()) as { value: T & { error?: string; message?: string } };
    if (!response.ok) throw new Error(`${place}: ${value.error}: ${value.message}`);
    return value;
  };
  await answers(() => call('GET', '/status'));
  const wanted = { 'webkitgtk:browserOptions': { binary, args: ['--automation'] } };
  const { sessionId } = await call<{ sessionId: string }>('POST', '/session', { capabilities: { alwaysMatch: wanted } });
  const at = `/session/${sessionId}`;
  await call('POST', `${at}/timeouts`, { script: 120_000, pageLoad: 120_000 });
  await call('POST', `${at}/window/rect`, { width: 1000, height: 800 });
  return {
    goto: (url) => call('POST', `${at}/url`, { url }),
    async run(script, ...args) {
      const whole = `const done = arguments[1]; Promise.resolve(JSON.parse(arguments[0])).then((args) => (${script})(...args))
        .then((value) => done(JSON.stringify({ value })), (error) => done(JSON.stringify({ error: String(error) })))`;
      const text = await call<string>('POST', `${at}/execute/async`, { script: whole, args: [JSON.stringify(args)] });
      const { value, error } = JSON.parse(text) as { value?: never; error?: string };
      if (error) throw new Error(error);
      return value as never;
    },
    act: (actions) => call('POST', `${at}/actions`, { actions }),
    async close() {
      await call('DELETE', at).catch(() => {});
      await gone(child);
      await screen.close();
      await rm(home, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}

/** Asks until there is an answer; the driver does not say when it listens. */
async function answers(ask: () => Promise<unknown>): Promise<void> {
  const end = Date.now() + 60_000;
  for (;;) {
    try {
      await ask();
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
