// Stands between a browser and the server, at an address that stays: takes the line away for everything, pages included, and
// puts other files in place of those that the server has, as a new version would. What must not live here: stories.
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

type Change = (body: string) => string;

export class Between {
  /** By address, what its text becomes on the way. */
  readonly changes = new Map<string, Change>();
  /** What was asked for. */
  readonly asked: string[] = [];
  private down = false;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly to: URL,
    private readonly server: Server,
  ) {
    server.on('connection', (socket: Socket) => {
      if (this.down) socket.destroy();
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => {});
    });
    server.on('request', (asked, answer) => this.pass(asked, answer));
    server.on('upgrade', (asked, near: Socket, head) => this.join(asked, near, head));
  }

  static async before(url: string): Promise<Between> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Between(new URL(url), server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  cut(): void {
    this.down = true;
    for (const socket of this.sockets) socket.destroy();
  }
  mend(): void {
    this.down = false;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private pass(asked: IncomingMessage, answer: ServerResponse): void {
    const path = asked.url ?? '/';
    this.asked.push(path);
    const change = this.changes.get(path);
    const headers = { ...asked.headers };
    if (change) for (const name of ['accept-encoding', 'if-none-match', 'if-modified-since']) delete headers[name];
    const { hostname, port } = this.to;
    const on = request({ hostname, port, path, method: asked.method, headers }, (got) => {
      if (!change) {
        answer.writeHead(got.statusCode ?? 502, got.headers);
        got.pipe(answer);
        return;
      }
      let text = '';
      got.setEncoding('utf8').on('data', (part: string) => (text += part));
      got.on('end', () => {
        const { etag: _etag, 'content-length': _length, ...rest } = got.headers;
        answer.writeHead(got.statusCode ?? 502, rest);
        answer.end(change(text));
      });
    });
    on.on('error', () => answer.destroy());
    asked.pipe(on);
  }

  private join(asked: IncomingMessage, near: Socket, head: Buffer): void {
    const far = connect(Number(this.to.port), this.to.hostname, () => {
      const lines = asked.rawHeaders.flatMap((part, at) => (at % 2 ? [] : [`${part}: ${asked.rawHeaders[at + 1]}`]));
      far.write(`${asked.method} ${asked.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
      far.write(head);
      near.pipe(far).pipe(near);
    });
    for (const [one, other] of [[near, far], [far, near]] as const) {
      one.on('close', () => other.destroy());
      one.on('error', () => {});
    }
  }
}
