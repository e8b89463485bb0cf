// Firefox as Debian brings it, driven by the WebDriver BiDi that it speaks itself. What must not live here: what people do
// in it (visitor.ts).
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { WebSocket } from 'ws';
import { type Drive, gone, program } from './visitor';

/** A first start asks many servers about many things; none of that is wanted here. */
const QUIET: Record<string, string | number | boolean> = {
  'app.normandy.enabled': false,
  'app.update.disabledForTesting': true,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.page': 0,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.systemAddon.update.enabled': false,
  'intl.accept_languages': 'en',
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,',
  'toolkit.telemetry.enabled': false,
};

interface Answer {
  id?: number;
  type: string;
  result?: unknown;
  error?: string;
  message?: string;
}

/** Commands with numbers, and their answers. */
class Bidi {
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private next = 1;

  private constructor(private readonly socket: WebSocket) {
    socket.on('message', (data) => {
      const answer = JSON.parse(String(data)) as Answer;
      if (answer.id !== undefined) this.waiting.get(answer.id)?.(answer);
    });
  }

  static async open(url: string): Promise<Bidi> {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return new Bidi(socket);
  }

  async do<T>(method: string, params: object): Promise<T> {
    const id = this.next++;
    const answer = await new Promise<Answer>((resolve) => {
      this.waiting.set(id, resolve);
      this.socket.send(JSON.stringify({ id, method, params }));
    });
    this.waiting.delete(id);
    if (answer.type === 'error') throw new Error(`${method}: ${answer.error}: ${answer.message}`);
    return answer.result as T;
  }

  close(): void {
    this.socket.terminate();
  }
}

export async function firefox(): Promise<Drive> {
  const binary = program('Firefox', 'firefox-esr', ['/usr/bin/firefox-esr', '/usr/bin/firefox'], process.env.KINGLET_FIREFOX);
  const profile = await mkdtemp(path.join(os.tmpdir(), 'kinglet-firefox-'));
  const prefs = Object.entries(QUIET).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
  await writeFile(path.join(profile, 'user.js'), prefs.join('\n'));
  const args = ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0', 'about:blank'];
  const child = spawn(binary, args, { env: { ...process.env, HOME: profile }, stdio: ['ignore', 'ignore', 'pipe'] });
  const address = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stderr.on('data', (bytes: Buffer) => {
      said += bytes.toString();
      const found = /BiDi listening on (ws:\S+)/.exec(said);
      if (found) resolve(found[1]!);
    });
    child.once('exit', (code) => reject(new Error(`Firefox ended with ${code}:\n${said}`)));
  });
  const bidi = await Bidi.open(`${address}/session`);
  await bidi.do('session.new', { capabilities: {} });
  const { contexts } = await bidi.do<{ contexts: { context: string }[] }>('browsingContext.getTree', {});
  const { context } = contexts[0]!;
  await bidi.do('browsingContext.setViewport', { context, viewport: { width: 1000, height: 760 } });
  return {
    goto: (url) => bidi.do('browsingContext.navigate', { context, url, wait: 'interactive' }).then(() => {}),
    async run(script, ...args) {
      const result = await bidi.do<{ type: string; result?: { value?: unknown }; exceptionDetails?: { text: string } }>('script.callFunction', {
        functionDeclaration: `async (text) => JSON.stringify(await (${script})(...JSON.parse(text)))`,
        arguments: [{ type: 'string', value: JSON.stringify(args) }],
        target: { context },
        awaitPromise: true,
      });
      if (result.type !== 'success') throw new Error(result.exceptionDetails?.text);
      return JSON.parse(String(result.result?.value ?? 'null'));
    },
    act: (actions) => bidi.do('input.performActions', { context, actions }).then(() => {}),
    async close() {
      bidi.close();
      await gone(child);
      // Its other processes may still write for a moment.
      await rm(profile, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}
