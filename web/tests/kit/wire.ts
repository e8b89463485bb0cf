// A line that can be cut: a socket server between a client and the real server that looks at each frame on its way and may
// end the connection before or after it. What must not live here: what is expected then.
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';

export type Way = 'up' | 'down';
export type Fate = 'pass' | 'cut-before' | 'cut-after' | 'lose';
export type Judge = (frame: Record<string, unknown>, way: Way) => Fate;

export class Wire {
  /** What becomes of each frame. */
  judge: Judge = () => 'pass';
  /** Refuses new connections while false. */
  open = true;
  readonly frames: { way: Way; frame: Record<string, unknown> }[] = [];
  private readonly server: WebSocketServer;
  private readonly sockets = new Set<WebSocket>();

  private constructor(to: string) {
    this.server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'kinglet.v1' });
    this.server.on('connection', (near) => this.join(near, to));
  }

  static async to(url: string): Promise<Wire> {
    const wire = new Wire(url);
    await new Promise((resolve) => wire.server.once('listening', resolve));
    return wire;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}/ws`;
  }

  cut(): void {
    for (const socket of this.sockets) socket.terminate();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(near: WebSocket, to: string): void {
    if (!this.open) {
      near.terminate();
      return;
    }
    const far = new WebSocket(to, 'kinglet.v1');
    const early: string[] = [];
    const end = () => {
      near.terminate();
      far.terminate();
      this.sockets.delete(near);
      this.sockets.delete(far);
    };
    for (const socket of [near, far]) {
      this.sockets.add(socket);
      socket.on('error', end);
    }
    const pass = (way: Way, text: string, on: (text: string, done: () => void) => void) => {
      const frame = JSON.parse(text) as Record<string, unknown>;
      const fate = this.judge(frame, way);
      this.frames.push({ way, frame });
      if (fate === 'cut-before') end();
      // The bytes have to leave before the line is cut.
      else if (fate !== 'lose') on(text, fate === 'cut-after' ? end : () => {});
    };
    near.on('message', (data) =>
      pass('up', String(data), (text, done) => {
        if (far.readyState === WebSocket.OPEN) far.send(text, done);
        else early.push(text);
      }),
    );
    far.on('open', () => early.splice(0).forEach((text) => far.send(text)));
    far.on('message', (data) => pass('down', String(data), (text, done) => near.send(text, done)));
    // Codes from 4000 on, and the server's own, mean something to the client.
    far.on('close', (code) => (code === 1005 || code === 1006 ? end() : near.close(code)));
    near.on('close', end);
  }
}
