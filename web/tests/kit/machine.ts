// A machine below a directory, and the real kinglet-board for it, started for each connection as systemd does it. Its system's
// programs note how they were called: a test cannot reboot. What must not live here: stories.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
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
    await this.file('usr/share/kinglet/update.pub', 'whose updates are taken\n');
    for (const folder of ['run/kinglet-board', 'etc/kinglet-board', 'etc/ssh/sshd_config.d']) await mkdir(path.join(this.root, folder), { recursive: true });
    for (const name of ['usr/bin/systemctl', 'usr/bin/hostnamectl', 'usr/bin/timedatectl', 'usr/bin/systemd-run', 'usr/bin/loginctl', 'usr/sbin/sshd']) await this.program(name);
  }

  /** Notes how it was called, then does what `more` says. */
  private async program(name: string, more = ''): Promise<void> {
    await this.file(name, `#!/bin/sh\nprintf '%s\\n' "\${0##*/} $*" >> '${path.join(this.root, 'calls')}'\n${more}\n`);
    await chmod(path.join(this.root, name), 0o755);
  }

  /** Plugs a stick of 32 GB in, as the kernel shows it; what is on it is found in `stick` while it is not mounted, for a folder is moved in the place of mounting. */
  async plugIn(): Promise<void> {
    const disk = 'platform/scb/usb1/1-1/1-1:1.0/host0/block/sda';
    await mkdir(path.join(this.root, 'sys/class/block'), { recursive: true });
    for (const [name, at] of [['sda', disk], ['sda1', `${disk}/sda1`]] as const) {
      await this.file(`sys/devices/${at}/size`, '62333952\n');
      await symlink(`../../devices/${at}`, path.join(this.root, 'sys/class/block', name));
    }
    for (const folder of ['media', 'stick']) await mkdir(path.join(this.root, folder), { recursive: true });
    const rest = '/dev/mmcblk0p2 / ext4 rw 0 0\n';
    const mounts = path.join(this.root, 'proc/self/mounts');
    await this.file('proc/self/mounts', rest);
    const stick = path.join(this.root, 'stick');
    const place = path.join(this.root, 'media/kinglet-backup');
    const say = (text: string) => `printf '${text.replaceAll('\n', '\\n')}' > '${mounts}'`;
    await this.program('usr/sbin/blkid', 'echo exfat');
    await this.program('usr/bin/systemd-mount', `mv '${stick}' '${place}' && ${say(`${rest}/dev/sda1 /media/kinglet-backup exfat rw 0 0\n`)}`);
    await this.program('usr/bin/systemd-umount', `mv '${place}' '${stick}' && ${say(rest)}`);
  }

  async pull(): Promise<void> {
    for (const name of ['sda', 'sda1']) await rm(path.join(this.root, 'sys/class/block', name));
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
