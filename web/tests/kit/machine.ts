// A machine below a directory, and the real kinglet-board for it, started for each connection as systemd does it. Its system's
// programs note how they were called: a test cannot reboot. What must not live here: stories.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { BINARY } from './kinglet';

const BOARD = process.env.KINGLET_BOARD_BIN ?? path.join(path.dirname(BINARY), 'kinglet-board');

export class Machine {
  private constructor(
    readonly root: string,
    private readonly server: Server,
  ) {}

  static async start(): Promise<Machine> {
    if (!existsSync(BOARD)) throw new Error(`${BOARD} is not there: run cargo build --workspace first, or set KINGLET_BOARD_BIN`);
    const root = await mkdtemp(path.join(os.tmpdir(), 'kinglet-box-'));
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      const board = spawn(BOARD, ['--root', root], { stdio: [socket, 'ignore', 'ignore'] });
      board.on('exit', () => socket.destroy());
    });
    const machine = new Machine(root, server);
    await machine.furnish();
    await new Promise<void>((resolve) => server.listen(path.join(root, 'run/kinglet-board.sock'), resolve));
    return machine;
  }

  private async furnish(): Promise<void> {
    // Root is heard whatever its name; anybody else must be the server's user.
    const own = process.getuid!();
    await this.file('etc/passwd', `kinglet:x:${own === 0 ? 990 : own}:991::/:/bin/false\nkinglet-admin:x:1000:1000::/:/bin/sh\n`);
    await this.file('proc/sys/kernel/hostname', 'kinglet\n');
    for (const folder of ['run/kinglet-board', 'etc/kinglet-board', 'etc/ssh/sshd_config.d']) await mkdir(path.join(this.root, folder), { recursive: true });
    for (const name of ['usr/bin/systemctl', 'usr/bin/hostnamectl', 'usr/bin/timedatectl', 'usr/bin/systemd-run', 'usr/bin/loginctl', 'usr/sbin/sshd']) {
      await this.file(name, `#!/bin/sh\nprintf '%s\\n' "\${0##*/} $*" >> '${path.join(this.root, 'calls')}'\n`);
      await chmod(path.join(this.root, name), 0o755);
    }
  }

  async file(name: string, text: string): Promise<void> {
    const to = path.join(this.root, name);
    await mkdir(path.dirname(to), { recursive: true });
    await writeFile(to, text);
  }

  /** What was called so far. */
  async calls(): Promise<string[]> {
    const text = await readFile(path.join(this.root, 'calls'), 'utf8').catch(() => '');
    return text.split('\n').filter(Boolean);
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.server.close(resolve));
    await rm(this.root, { recursive: true, force: true });
  }
}
