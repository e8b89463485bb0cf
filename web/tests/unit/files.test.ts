// What waits for its file in the outbox, and a file on its way up as the server's answers have it. What must not live here:
// a real server (tests/server/files.test.ts).
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Keep, openKeep } from '../../src/engine/db';
import type { FileRoutes } from '../../src/engine/fileroutes';
import { uuidv7 } from '../../src/engine/ids';
import { nextOf, Outbox, Sender } from '../../src/engine/outbox';
import type { Change, OutboxRow } from '../../src/engine/records';
import { Lost, Refused } from '../../src/engine/refusal';
import { kindOf, Uploader } from '../../src/engine/upload';
import type { Reply, UploadInfo } from '../../src/proto';
import { ME, TALK } from '../kit/events';

const BLOB = 'ab'.repeat(32);
const MIB = 1024 * 1024;
let keep: Keep;
let outbox: Outbox;
let uploader: Uploader;
let calls: string[];
let progress: number[];

/** The server as its own words describe it; each story bends one of its answers. */
let routes: Record<'begin' | 'stands' | 'bring' | 'giveUp' | 'storage', (...args: never[]) => Promise<unknown>>;
let there: Map<string, { size: number; offset: number }>;
const info = (upload: string): UploadInfo => {
  const { size, offset } = there.get(upload)!;
  const blob = { blob: BLOB, size, media_type: 'image/jpeg' };
  return { upload, size, offset, expires: 0, ...(size === offset ? { blob } : {}) };
};

beforeEach(async () => {
  keep = await openKeep({ cache: uuidv7(), keep: uuidv7() });
  outbox = new Outbox(keep, ME);
  calls = [];
  progress = [];
  there = new Map();
  routes = {
    async begin({ client_id, size }: { client_id: string; size: number }) {
      calls.push('begin');
      if (!there.has(client_id)) there.set(client_id, { size, offset: 0 });
      return info(client_id);
    },
    async stands(upload: string) {
      calls.push('stands');
      return info(upload);
    },
    async bring(upload: string, offset: number, bytes: ArrayBuffer) {
      calls.push(`bring ${offset}`);
      const one = there.get(upload)!;
      if (one.offset !== offset) throw new Refused('wrong_offset', 'elsewhere', '');
      one.offset += bytes.byteLength;
      return info(upload);
    },
    async giveUp(upload: string) {
      calls.push('give up');
      there.delete(upload);
    },
    async storage() {
      return { file_bytes: 100 * MIB, user_bytes: 10 * MIB, used_bytes: 0 };
    },
  };
  const asked = (name: keyof typeof routes) => (...args: never[]) => routes[name](...args);
  const all = Object.fromEntries(Object.keys(routes).map((name) => [name, asked(name as 'begin')]));
  uploader = new Uploader(outbox, all as unknown as FileRoutes, {
    changed: () => {},
    progress: (_, sent) => progress.push(sent),
    up: () => {},
  });
});
afterEach(() => {
  uploader.stop();
  vi.useRealTimers();
  keep.close();
});

const change = (body: object): Change => ({ type: 'send', client_id: uuidv7(), body });
const say = (text: string) => outbox.add(TALK, change({ kind: 'text', text }));
function bring(size: number, name = 'a.jpg', lane = TALK): Promise<OutboxRow> {
  const bytes = new Blob([new Uint8Array(size)], { type: 'image/jpeg' });
  return outbox.addFile(lane, { type: 'send', client_id: uuidv7() }, { kind: 'image', name, bytes });
}
const rows = () => outbox.rows();
const isUp = async (row: OutboxRow) => (await rows()).find((one) => one.client_id === row.client_id)?.file?.up === true;

describe('what may go', () => {
  test('a message waits for its file, and what is said after a small one waits too; a large one is passed', async () => {
    const small = await bring(1_000);
    const text = await say('after');
    expect(nextOf(await rows(), TALK)).toBeUndefined();
    await outbox.change(small.n, { file: { ...small.file!, up: true } });
    expect(nextOf(await rows(), TALK)?.n).toBe(small.n);
    await outbox.change(small.n, { state: 'failed' });
    expect(nextOf(await rows(), TALK)?.n).toBe(text.n);
    await outbox.remove(text.n);
    await bring(3 * MIB);
    const later = await say('meanwhile');
    expect(nextOf(await rows(), TALK)?.n).toBe(later.n);
  });

  test('the bytes are kept until the event came, and go when the message is taken back', async () => {
    const [one, two] = [await bring(10), await bring(20)];
    expect((await outbox.bytes(one))?.size).toBe(10);
    await outbox.change(one.n, { state: 'acked', conversation: TALK, seq: 1 });
    expect((await outbox.bytes(one))?.size).toBe(10);
    await outbox.arrived([one.client_id]);
    await outbox.remove(two.n);
    expect(await keep.getAllKeys('files')).toEqual([]);
  });

  test('what the server dropped before the message came is brought again under a new name, once', async () => {
    const row = await bring(10);
    await outbox.change(row.n, { file: { ...row.file!, up: true } });
    let dropped = 0;
    const sender = new Sender(outbox, {
      ask: () => Promise.reject<Reply>(new Refused('not_found', 'no', 'do')),
      changed: () => {},
      acked: async () => {},
      dropped: () => (dropped += 1),
    });
    sender.welcome();
    await vi.waitFor(() => expect(dropped).toBe(1));
    const [again] = await rows();
    expect(again).toMatchObject({ state: 'waiting', client_id: row.client_id, file: { up: false, again: true } });
    expect(again!.file!.upload).not.toBe(row.file!.upload);
    await outbox.change(row.n, { file: { ...again!.file!, up: true } });
    await sender.kick();
    await vi.waitFor(async () => expect((await rows())[0]!.state).toBe('failed'));
    sender.sleep();
  });
});

describe('on its way up', () => {
  test('in pieces that grow on a quick line, with true progress, and the message then names what the server found', async () => {
    const row = await bring(3 * MIB);
    uploader.welcome();
    await vi.waitFor(async () => expect(await isUp(row)).toBe(true));
    expect(calls).toEqual(['begin', 'bring 0', `bring ${MIB / 4}`, `bring ${(MIB * 3) / 4}`, `bring ${(MIB * 7) / 4}`]);
    expect(progress).toEqual([0, MIB / 4, (MIB * 3) / 4, (MIB * 7) / 4, 3 * MIB]);
    expect((await rows())[0]!.change.body).toMatchObject({ blob: BLOB, kind: 'image' });
  });

  test('after a cut it goes on with the next welcome where the server stands, not where this device thinks', async () => {
    const row = await bring(MIB);
    const whole = routes.bring;
    routes.bring = async (...args: never[]) => {
      const [upload] = args as unknown as [string];
      await whole(...args);
      there.get(upload)!.offset -= 7;
      throw new Lost('cut');
    };
    uploader.welcome();
    await vi.waitFor(() => expect(calls).toContain('bring 0'));
    uploader.sleep();
    routes.bring = whole;
    uploader.welcome();
    await vi.waitFor(async () => expect(await isUp(row)).toBe(true));
    expect(calls).toEqual(['begin', 'bring 0', 'begin', `bring ${MIB / 4 - 7}`, ...calls.slice(4)]);
  });

  test('a wrong offset is asked about, a forgotten upload is begun anew', async () => {
    const row = await bring(MIB / 2);
    const whole = routes.bring;
    let turn = 0;
    routes.bring = async (...args: never[]) => {
      turn += 1;
      if (turn === 1) throw new Refused('wrong_offset', 'no', '');
      if (turn === 2) throw new Refused('not_found', 'no', '');
      return whole(...args);
    };
    uploader.welcome();
    await vi.waitFor(async () => expect(await isUp(row)).toBe(true));
    expect(calls.slice(0, 3)).toEqual(['begin', 'stands', 'begin']);
  });

  test('taken back on the way it is dropped here and at the server', async () => {
    const row = await bring(MIB);
    let go = () => {};
    const whole = routes.bring;
    routes.bring = async (...args: never[]) => {
      await new Promise<void>((resolve) => (go = resolve));
      return whole(...args);
    };
    uploader.welcome();
    await vi.waitFor(() => expect(calls).toEqual(['begin']));
    await outbox.remove(row.n);
    await uploader.kick();
    await vi.waitFor(() => expect(calls).toContain('give up'));
    go();
    expect(await rows()).toEqual([]);
  });

  test('refused for good it fails and the next goes; tried again it goes on under the same name', async () => {
    const large = await bring(MIB);
    const next = await bring(10);
    const whole = routes.begin;
    routes.begin = async (...args: never[]) => {
      if ((args as unknown as [{ size: number }])[0].size === MIB) throw new Refused('too_large', 'no', 'smaller');
      return whole(...args);
    };
    uploader.welcome();
    await vi.waitFor(async () => expect(await isUp(next)).toBe(true));
    expect((await rows())[0]).toMatchObject({ state: 'failed', error: { code: 'too_large' } });
    routes.begin = whole;
    await outbox.retry(large.n);
    await uploader.kick();
    await vi.waitFor(async () => expect(await isUp(large)).toBe(true));
    expect((await rows()).at(-1)!.file!.upload).toBe(large.file!.upload);
  });

  test('too many uploads are a matter of time, too little room is not', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const row = await bring(MIB);
    const whole = routes.begin;
    let refusals = 0;
    routes.begin = () => {
      refusals += 1;
      return Promise.reject(new Refused('limit_reached', 'no', ''));
    };
    uploader.welcome();
    await vi.waitFor(() => expect(refusals).toBe(1));
    await vi.waitFor(async () => expect((await rows())[0]!.file!.waits).toBe('limit_reached'));
    routes.begin = whole;
    await vi.advanceTimersByTimeAsync(31_000);
    await vi.waitFor(async () => expect(await isUp(row)).toBe(true));
    expect((await rows())[0]!.file!.waits).toBeUndefined();
    const other = await bring(20 * MIB, 'b.jpg');
    routes.begin = () => Promise.reject(new Refused('limit_reached', 'no', ''));
    await uploader.kick();
    await vi.waitFor(async () => expect((await rows()).find((one) => one.n === other.n)?.state).toBe('failed'));
  });

  test('bytes that this device has lost fail that message honestly', async () => {
    const row = await bring(10);
    await keep.delete('files', row.client_id);
    uploader.welcome();
    await vi.waitFor(async () => expect((await rows())[0]).toMatchObject({ state: 'failed', error: { code: 'unreadable' } }));
  });

  test('pictures of one conversation go one after the other, two conversations at a time', async () => {
    const order: string[] = [];
    const open: (() => void)[] = [];
    const whole = routes.begin;
    routes.begin = async (...args: never[]) => {
      order.push(String((args as unknown as [{ size: number }])[0].size));
      await new Promise<void>((resolve) => open.push(resolve));
      return whole(...args);
    };
    for (const [size, lane] of [[11, 'a'], [12, 'a'], [21, 'b'], [31, 'c']] as const) await bring(size, 'x', lane);
    uploader.welcome();
    await vi.waitFor(() => expect(order).toEqual(['11', '21']));
    open[0]!();
    await vi.waitFor(() => expect(order).toHaveLength(3));
    expect(order).toEqual(['11', '21', '12']);
    for (const one of open.splice(0)) one();
  });
});

test('a kind that the bytes do not bear out goes as a file', () => {
  expect(kindOf('image', 'image/png')).toBe('image');
  expect(kindOf('image', 'application/octet-stream')).toBe('file');
  expect(kindOf('voice', 'video/webm')).toBe('voice');
  expect(kindOf('audio', 'text/html')).toBe('file');
  expect(kindOf('file', 'image/png')).toBe('file');
});
