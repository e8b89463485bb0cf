// The real server on a free port with a directory of its own, and the people on it. What must not live here: stories.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { InvitationInfo, SignedIn } from '../../src/proto';
import { Api } from '../../src/engine/api';
import { uuidv7 } from '../../src/engine/ids';

export const BINARY = process.env.KINGLET_BIN ?? path.resolve(import.meta.dirname, '../../../target/debug/kinglet');
export const PASSWORD = 'seven quiet herons';

export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

/** For a server whose clock is known to be right, and may be set ahead (later.c): so that things run out. */
export async function rightClock(): Promise<Record<string, string>> {
  const library = path.join(await mkdtemp(path.join(os.tmpdir(), 'kinglet-clock-')), 'later.so');
  await promisify(execFile)('cc', ['-shared', '-fPIC', '-o', library, path.join(import.meta.dirname, 'later.c')]).catch((error: unknown) => {
    throw new Error(`there is no C compiler, or it did not do it; on Debian: apt-get install gcc libc6-dev\n${String(error)}`);
  });
  return { LD_PRELOAD: library };
}

export class Kinglet {
  output = '';
  private child: ChildProcess | undefined;

  private constructor(
    readonly folder: string,
    readonly port: number,
    private env: Record<string, string>,
  ) {}

  static async start(env: Record<string, string> = {}): Promise<Kinglet> {
    if (!existsSync(BINARY)) throw new Error(`${BINARY} is not there: run cargo build first, or set KINGLET_BIN`);
    const folder = await mkdtemp(path.join(os.tmpdir(), 'kinglet-web-'));
    const server = new Kinglet(folder, await freePort(), env);
    await server.run();
    return server;
  }

  get url(): string {
    return `${this.isSecure ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }
  get socketUrl(): string {
    return `${this.isSecure ? 'wss' : 'ws'}://127.0.0.1:${this.port}/ws`;
  }
  /** Whether it vouches for itself, with a certificate authority of its own. */
  get isSecure(): boolean {
    return this.env.KINGLET_TLS_MODE === 'local';
  }

  async run(): Promise<void> {
    const foreign = Object.entries(process.env).filter(([name]) => !name.startsWith('KINGLET_'));
    const child = spawn(BINARY, ['serve'], {
      cwd: this.folder,
      env: {
        ...Object.fromEntries(foreign),
        KINGLET_DATA_DIR: path.join(this.folder, 'data'),
        KINGLET_LISTEN_ADDRESS: `127.0.0.1:${this.port}`,
        KINGLET_LIMITS_PACE: '1000',
        ...this.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    await new Promise<void>((resolve, reject) => {
      const hear = (bytes: Buffer) => {
        this.output += bytes.toString();
        if (/ready at|listens at/.test(this.output)) resolve();
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.on('exit', (code) => reject(new Error(`the server ended with ${code}:\n${this.output}`)));
    });
  }

  /** Pulls the plug; or asks it to stop. */
  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (!child || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  async restart(): Promise<void> {
    this.output = '';
    await this.run();
  }

  /** So much time passes while nobody serves. */
  async passDays(days: number): Promise<void> {
    await this.kill('SIGTERM');
    this.env = { ...this.env, DAYS_AHEAD: String(days) };
    await this.restart();
  }

  async stop(): Promise<void> {
    await this.kill();
    const { LD_PRELOAD: clock } = this.env;
    for (const folder of [this.folder, ...(clock ? [path.dirname(clock)] : [])]) await rm(folder, { recursive: true, force: true });
  }

  get claimCode(): string {
    const code = /claim code is ([\d-]+)/.exec(this.output)?.[1];
    if (!code) throw new Error(`the server printed no claim code:\n${this.output}`);
    return code;
  }

  api(token?: string): Api {
    const api = new Api(this.url);
    api.token = token;
    return api;
  }

  claim(name = 'ada', device = uuidv7(), team?: string): Promise<SignedIn> {
    const device_ = { id: device, name: 'test' };
    return this.api().claim({ code: this.claimCode, name, display_name: '', password: PASSWORD, device: device_, team });
  }

  invite(owner: SignedIn, uses = 1): Promise<InvitationInfo> {
    return this.api(owner.token).invite({ client_id: uuidv7(), role: 'member', uses, days: 1 });
  }

  async join(owner: SignedIn, name: string): Promise<SignedIn> {
    const { code } = await this.invite(owner);
    return this.api().join({ code, name, display_name: '', password: PASSWORD, device: { id: uuidv7(), name: 'test' } });
  }
}
