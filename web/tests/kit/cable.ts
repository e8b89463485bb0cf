// A network between a browser and the server, that can be pulled, and whose one way can be dead while the other is not. What
// must not live here: what travels on it.
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** `deaf`: what the server says does not come through; `mute`: what the browser says does not. */
export type Health = 'good' | 'deaf' | 'mute' | 'pulled';

export class Cable {
  health: Health = 'good';
  /** Bytes that did not come through. */
  lost = 0;
  private readonly ends = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  static async to(url: string): Promise<Cable> {
    const { hostname, port } = new URL(url);
    const server = createServer();
    const cable = new Cable(server);
    server.on('connection', (near) => cable.join(near, connect(Number(port), hostname)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return cable;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** What is under way is lost; what is dead on one way only is so until it is pulled. */
  pull(): void {
    this.health = 'pulled';
    for (const end of this.ends) end.destroy();
  }

  async close(): Promise<void> {
    this.pull();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(near: Socket, far: Socket): void {
    for (const end of [near, far]) {
      this.ends.add(end);
      end.on('error', () => {});
      end.on('close', () => {
        this.ends.delete(end);
        near.destroy();
        far.destroy();
      });
    }
    if (this.health === 'pulled') {
      near.destroy();
      return;
    }
    const pass = (to: Socket, dead: Health) => (bytes: Buffer) => {
      if (this.health === dead) this.lost += bytes.length;
      else to.write(bytes);
    };
    near.on('data', pass(far, 'mute'));
    far.on('data', pass(near, 'deaf'));
  }
}
