// A file on its way to the real server, with the line cut under it, the server killed, and this device restarted: never lost,
// never doubled. What must not live here: how lines are cut (kit/pipe.ts).
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Event, SignedIn } from '../../src/proto';
import { FileRoutes } from '../../src/engine/fileroutes';
import { type Client, client } from '../kit/client';
import { Kinglet } from '../kit/kinglet';
import { Pipe } from '../kit/pipe';

const MIB = 1024 * 1024;
let server: Kinglet;
let ada: SignedIn;
beforeAll(async () => {
  server = await Kinglet.start({ KINGLET_FILES_FILE_MIB: '6', KINGLET_FILES_USER_MIB: '40' });
  ada = await server.claim('ada');
});
afterAll(() => server?.stop());

let bob: SignedIn;
let pipe: Pipe;
let here: Client;
let people = 0;
beforeEach(async () => {
  bob = await server.join(ada, `bob${String.fromCharCode(97 + people++)}`);
  pipe = await Pipe.to(server.port);
  here = await client({ url: pipe.url, socketUrl: server.socketUrl }, {}, bob);
  await here.until(() => here.engine.line === 'online');
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.log(here.engine.line, await here.engine.outbox(), JSON.stringify(here.changes).slice(-2_000));
  here.engine.close();
  await pipe.close();
});

const bytesOf = (size: number) => new Uint8Array(randomBytes(size));
const post = (bytes: Uint8Array<ArrayBuffer>, name = 'log.bin') =>
  here.engine.postFile({ user: ada.user }, { kind: 'file', name, bytes: new Blob([bytes]) });
const nothingWaits = async () => (await here.engine.outbox()).length === 0;
const reached = (sent: number) => () => here.changes.some((changed) => (changed.progress?.sent ?? 0) >= sent);

/** What is in the log itself, asked by another than the engine. */
async function logged(): Promise<Event[]> {
  const [talk] = (await here.engine.conversations()).filter((one) => one.peer === ada.user);
  const reply = await server.api(ada.token).command({ id: 1, type: 'history', conversation: talk!.id, limit: 100 });
  if (reply.type !== 'history') throw new Error('no history');
  return reply.events.filter((event) => event.kind === 'message');
}

async function allThere(files: { name: string; bytes: Uint8Array }[]): Promise<void> {
  await here.until(nothingWaits, 'the outbox is empty');
  await here.until(async () => (await here.engine.conversations()).some((one) => one.peer === ada.user), 'the conversation is known');
  const events = await logged();
  const bodies = events.map((event) => (event.kind === 'message' && event.body?.kind === 'file' ? event.body : undefined));
  expect(bodies.map((body) => body?.name)).toEqual(files.map(({ name }) => name));
  for (const [at, { bytes }] of files.entries()) {
    const answer = await fetch(`${server.url}/api/v1/blobs/${bodies[at]!.blob}`, { headers: { Authorization: `Bearer ${ada.token}` } });
    expect(Buffer.from(await answer.arrayBuffer()).equals(Buffer.from(bytes))).toBe(true);
  }
}

test('in pieces, with progress, named as the server names it', async () => {
  const bytes = bytesOf(3 * MIB);
  await post(bytes);
  await allThere([{ name: 'log.bin', bytes }]);
  const seen = here.changes.flatMap((changed) => (changed.progress ? [changed.progress.sent] : []));
  expect(seen.length).toBeGreaterThan(3);
  expect(seen).toEqual([...seen].sort((one, other) => one - other));
});

// The announcement, its answer's way back, within the first piece, between pieces, within a late one.
test.each([200, 900, 150_000, 300_000, 2_000_000])('the line is cut after %i bytes, and then again', async (after) => {
  const bytes = bytesOf(3 * MIB);
  pipe.cutAfter = after;
  await post(bytes);
  await here.until(() => pipe.cuts === 1, 'it was cut');
  pipe.cutAfter = after + 1_000;
  await allThere([{ name: 'log.bin', bytes }]);
  expect(pipe.cuts).toBeGreaterThan(0);
});

test('the server is killed on the way and started again: it goes on, and only what was not safe goes twice', async () => {
  const bytes = bytesOf(5 * MIB);
  await post(bytes);
  await here.until(reached(MIB / 2));
  await server.kill('SIGKILL');
  await server.restart();
  const from = here.changes.length;
  await allThere([{ name: 'log.bin', bytes }]);
  const first = here.changes.slice(from).find((changed) => changed.progress)?.progress?.sent;
  expect(first ?? 5 * MIB).toBeGreaterThanOrEqual(MIB / 2);
});

test('this device is restarted on the way: the bytes are still there, and the file goes on', async () => {
  const names = { cache: 'files-restart-copy', keep: 'files-restart-keep' };
  const where = { url: pipe.url, socketUrl: server.socketUrl };
  here.engine.close();
  here = await client(where, { names }, bob);
  await here.until(() => here.engine.line === 'online');
  const bytes = bytesOf(4 * MIB);
  await post(bytes, 'first.bin');
  await here.until(reached(MIB / 4));
  here.engine.close();
  here = await client(where, { names });
  const more = bytesOf(1_000);
  await post(more, 'second.bin');
  await here.until(nothingWaits, 'the outbox is empty');
  const begun = here.changes.flatMap((changed) => (changed.progress && changed.progress.sent > 1_000 ? [changed.progress.sent] : []));
  expect(begun[0]).toBeGreaterThanOrEqual(MIB / 4);
  // The small one may pass the large one; each is there once.
  const names2 = (await logged()).map((event) => (event.kind === 'message' && event.body?.kind === 'file' ? event.body.name : ''));
  expect(names2.sort()).toEqual(['first.bin', 'second.bin']);
});

test('written without a line, several wait on disk and come in order, each once', async () => {
  pipe.open = false;
  pipe.cut();
  const files = [1, 2, 3].map((n) => ({ name: `${n}.bin`, bytes: bytesOf(n * 1_000) }));
  for (const { name, bytes } of files) await post(bytes, name);
  await here.engine.post({ user: ada.user }, { type: 'send', body: { kind: 'text', text: 'and that was all' } });
  expect((await here.engine.outbox()).map((row) => row.state)).toEqual(['waiting', 'waiting', 'waiting', 'waiting']);
  pipe.open = true;
  await here.until(nothingWaits, 'the outbox is empty');
  const said = (await logged()).map((event) => (event.kind === 'message' && event.body?.kind === 'file' ? event.body.name : 'text'));
  expect(said).toEqual(['1.bin', '2.bin', '3.bin', 'text']);
});

test('too large, and no room: it fails with that word, what comes after it goes, and it can be taken back', async () => {
  const large = await post(bytesOf(7 * MIB), 'large.bin');
  await here.until(async () => (await here.engine.outbox()).some((row) => row.state === 'failed'));
  expect((await here.engine.outbox())[0]!.error?.code).toBe('too_large');
  const bytes = bytesOf(10);
  await post(bytes, 'small.bin');
  await here.until(async () => (await here.engine.outbox()).length === 1, 'the small one went');
  await here.engine.discard(large.n);
  await allThere([{ name: 'small.bin', bytes }]);
});

test('taken back on the way, the server forgets it and one’s room is free again', async () => {
  pipe.cutAfter = 2 * MIB;
  const row = await post(bytesOf(5 * MIB));
  await here.until(reached(MIB / 4));
  await here.engine.discard(row.n);
  await here.until(async () => (await new FileRoutes(here.engine.api).storage()).used_bytes === 0, 'the room is free');
  expect(await here.engine.outbox()).toEqual([]);
});
