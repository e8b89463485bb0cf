// A push service and the browser that subscribed with it: takes what the server sends over real TLS, answers as a story wishes,
// and decrypts it by RFC 8291 as a browser does. What must not live here: what a client makes of it.
import { execFileSync } from 'node:child_process';
import { createDecipheriv, createECDH, hkdfSync, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';

export class PushService {
  /** What it says to the next messages. */
  status = 201;
  private readonly ecdh = createECDH('prime256v1');
  private readonly auth = randomBytes(16);
  private readonly waiting: ((text: string) => void)[] = [];
  private readonly came: string[] = [];

  private constructor(
    private readonly folder: string,
    private readonly server: Server,
  ) {
    this.ecdh.generateKeys();
    server.on('request', (asked, answer) => {
      const parts: Buffer[] = [];
      asked.on('data', (part: Buffer) => parts.push(part));
      asked.on('end', () => {
        answer.writeHead(this.status).end();
        if (this.status < 300) this.take(this.open(Buffer.concat(parts)));
      });
    });
  }

  static async start(): Promise<PushService> {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'kinglet-push-'));
    const at = (name: string) => path.join(folder, name);
    const made = (name: string, subject: string, ...more: string[]) => {
      const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', `/CN=${subject}`];
      execFileSync('openssl', ['req', '-x509', ...kind, '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`), ...more], { stdio: 'pipe' });
    };
    made('authority', 'push authority');
    const signed = ['-CA', at('authority.pem'), '-CAkey', at('authority.key'), '-addext', 'basicConstraints=critical,CA:FALSE'];
    made('service', '127.0.0.1', ...signed, '-addext', 'subjectAltName=IP:127.0.0.1');
    const server = createServer({ key: readFileSync(at('service.key')), cert: readFileSync(at('service.pem')) });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new PushService(folder, server);
  }

  get host(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }
  /** What makes a server send here. */
  get env(): Record<string, string> {
    return {
      KINGLET_PUSH_ENABLED: 'true',
      KINGLET_PUSH_SUBJECT: 'mailto:admin@kinglet-chat.org',
      KINGLET_PUSH_CA: path.join(this.folder, 'authority.pem'),
      KINGLET_PUSH_HOSTS: this.host,
      KINGLET_PUSH_PUBLIC: 'false',
    };
  }
  /** As a browser's `toJSON` gives it. */
  get subscription(): { endpoint: string; keys: { p256dh: string; auth: string } } {
    const keys = { p256dh: this.ecdh.getPublicKey('base64url'), auth: this.auth.toString('base64url') };
    return { endpoint: `https://${this.host}/send/token`, keys };
  }

  /** The next message, decrypted. */
  next(): Promise<string> {
    const text = this.came.shift();
    return text === undefined ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve(text);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    rmSync(this.folder, { recursive: true, force: true });
  }

  private take(text: string): void {
    const waiting = this.waiting.shift();
    if (waiting) waiting(text);
    else this.came.push(text);
  }

  /** RFC 8188: salt, record size, length and bytes of the sender's key, one record; its keys by RFC 8291. */
  private open(body: Buffer): string {
    const salt = body.subarray(0, 16);
    const theirs = body.subarray(21, 21 + body[20]!);
    const record = body.subarray(21 + body[20]!);
    const info = Buffer.concat([Buffer.from('WebPush: info\0'), this.ecdh.getPublicKey(), theirs]);
    const ikm = Buffer.from(hkdfSync('sha256', this.ecdh.computeSecret(theirs), this.auth, info, 32));
    const key = Buffer.from(hkdfSync('sha256', ikm, salt, 'Content-Encoding: aes128gcm\0', 16));
    const nonce = Buffer.from(hkdfSync('sha256', ikm, salt, 'Content-Encoding: nonce\0', 12));
    const cipher = createDecipheriv('aes-128-gcm', key, nonce);
    cipher.setAuthTag(record.subarray(-16));
    const text = Buffer.concat([cipher.update(record.subarray(0, -16)), cipher.final()]);
    // After the text comes a 2, and zeros.
    return text.subarray(0, text.lastIndexOf(2)).toString();
  }
}
