// A stretch of network between a client's HTTP and the real server that breaks after so many bytes. What must not live here:
// what the bytes are.
import { type AddressInfo, createServer, connect, type Server, type Socket } from 'node:net';

export class Pipe {
  /** Bytes on their way up after which every connection breaks; again after each new setting. */
  cutAfter = Infinity;
  cuts = 0;
  /** Refuses new connections while false. */
  open = true;
  private passed = 0;
  private readonly ends = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    to: number,
  ) {
    server.on('connection', (near) => this.join(near, to));
  }

  static async to(port: number): Promise<Pipe> {
    const server = createServer();
    const pipe = new Pipe(server, port);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return pipe;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  cut(): void {
    for (const end of this.ends) end.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(near: Socket, to: number): void {
    if (!this.open) {
      near.destroy();
      return;
    }
    const far = connect(to, '127.0.0.1');
    const end = () => {
      near.destroy();
      far.destroy();
      this.ends.delete(near);
      this.ends.delete(far);
    };
    for (const one of [near, far]) {
      this.ends.add(one);
      one.on('error', end);
      one.on('close', end);
    }
    let broken = false;
    near.on('data', (bytes) => {
      if (broken) return;
      this.passed += bytes.length;
      if (this.passed < this.cutAfter) {
        far.write(bytes);
        return;
      }
      // Some of it comes through, as with a real cut.
      this.passed = 0;
      this.cutAfter = Infinity;
      this.cuts += 1;
      broken = true;
      far.write(bytes.subarray(0, bytes.length / 2), () => this.cut());
    });
    far.on('data', (bytes) => near.write(bytes));
  }
}
