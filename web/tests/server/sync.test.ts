// Catching up with the real server: first load, a long absence, a restored server, plain HTTP, two tabs. What must not live
// here: sending under a cut line (send.test.ts).
import { copyFile, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Engine } from '../../src/engine/engine';
import { uuidv7 } from '../../src/engine/ids';
import type { Client } from '../kit/client';
import { PASSWORD } from '../kit/kinglet';
import { ada, aPairEach, bob, says, server, tab } from '../kit/pair';

aPairEach();

const online = (one: Client) => one.until(() => one.engine.line === 'online' || one.engine.line === 'fallback');
const has = (one: Client, talk: string, ...texts: string[]) =>
  one.until(async () => JSON.stringify(await one.texts(talk)) === JSON.stringify(texts), `it has ${texts.length} texts`);
const record = async (engine: Engine, id: string) => (await engine.conversation(id))!;

test('a first load brings people, conversations and their newest pages; older ones when asked', async () => {
  let talk = '';
  for (let at = 1; at <= 120; at += 1) talk = await says(bob, ada, `m${at}`);
  const one = await tab(server, {}, ada);
  await one.until(async () => (await one.texts(talk)).length === 50);
  expect((await one.engine.users()).map((user) => user.name).sort()).toEqual(['ada', 'bob']);
  expect(await record(one.engine, talk)).toMatchObject({ peer: bob.user, unread: 120, last_seq: 120, have: 120, from: 71 });
  expect(await one.engine.older(talk)).toBe(true);
  expect(await one.engine.older(talk)).toBe(true);
  expect(await one.engine.older(talk)).toBe(false);
  expect(await one.texts(talk)).toEqual(Array.from({ length: 120 }, (_, at) => `m${at + 1}`));
});

test('what a page asks before its line is there waits for it, and without a server it is told', async () => {
  const names = { cache: uuidv7(), keep: uuidv7() };
  const one = await tab(server, { names }, ada);
  expect(await one.engine.ask({ type: 'settings', limit: 1 })).toMatchObject({ type: 'settings' });
  one.engine.close();
  await server.kill();
  const again = await tab(server, { names });
  await expect(again.engine.ask({ type: 'settings', limit: 1 })).rejects.toThrow('there is no connection');
});

test('after an absence nothing is missing and nothing is there twice, whether little or much was said', async () => {
  const names = { cache: uuidv7(), keep: uuidv7() };
  let one = await tab(server, { names }, ada);
  const talk = await says(bob, ada, 'before');
  await has(one, talk, 'before');
  one.engine.close();
  await says(bob, ada, 'meanwhile');
  one = await tab(server, { names });
  await has(one, talk, 'before', 'meanwhile');
  one.engine.close();
  const many = Array.from({ length: 300 }, (_, at) => `n${at}`);
  for (const text of many) await says(bob, ada, text);
  one = await tab(server, { names });
  await has(one, talk, 'before', 'meanwhile', ...many);
});

test('the copy is there without a server, at once', async () => {
  const names = { cache: uuidv7(), keep: uuidv7() };
  const one = await tab(server, { names }, ada);
  const talk = await says(bob, ada, 'kept');
  await has(one, talk, 'kept');
  await one.until(async () => !(await record(one.engine, talk)).unnamed, 'it is known what it is');
  one.engine.close();
  await server.kill();
  const again = await tab(server, { names });
  expect(await again.texts(talk)).toEqual(['kept']);
  expect((await again.engine.conversations()).map((each) => each.peer)).toEqual([bob.user]);
});

test('a server put back from a copy: the log is dropped, the outbox kept, and all is as on the server', async () => {
  const names = { cache: uuidv7(), keep: uuidv7() };
  const talk = await says(bob, ada, 'in the copy');
  await server.kill('SIGTERM');
  const data = path.join(server.folder, 'data');
  const saved = path.join(server.folder, 'kinglet.db');
  await copyFile(path.join(data, 'kinglet.db'), saved);
  await server.restart();
  let one = await tab(server, { names }, ada);
  await says(bob, ada, 'after the copy');
  await has(one, talk, 'in the copy', 'after the copy');
  one.engine.close();
  await server.kill('SIGTERM');
  // Only the database comes back; what stood beside it is gone, as with a new card.
  for (const name of await readdir(data)) await rm(path.join(data, name), { recursive: true });
  await copyFile(saved, path.join(data, 'kinglet.db'));
  await server.restart();
  one = await tab(server, { names });
  await one.engine.post({ user: bob.user }, { type: 'send', body: { kind: 'text', text: 'from the outbox' } });
  await has(one, talk, 'in the copy', 'from the outbox');
});

test('where no socket comes through plain HTTP does, both ways, and the outbox goes that way', async () => {
  const closed = { url: server.url, socketUrl: 'ws://127.0.0.1:9/ws' };
  const one = await tab(closed, {}, ada);
  await one.until(() => one.engine.line === 'fallback', 'it falls back');
  const talk = await says(bob, ada, 'hello');
  await has(one, talk, 'hello');
  await one.engine.post({ user: bob.user }, { type: 'send', body: { kind: 'text', text: 'and back' } });
  await has(one, talk, 'hello', 'and back');
  await one.until(async () => (await one.engine.outbox()).length === 0);
});

test('two tabs share one socket and one outbox, and when the first closes the second goes on', async () => {
  const names = { cache: uuidv7(), keep: uuidv7() };
  let sockets = 0;
  const socket = (url: string, protocol: string) => {
    sockets += 1;
    return new WebSocket(url, protocol) as unknown as globalThis.WebSocket;
  };
  const first = await tab(server, { names, socket }, ada);
  await online(first);
  const second = await tab(server, { names, socket });
  await online(second);
  expect([first.engine.leads, second.engine.leads]).toEqual([true, false]);
  await second.engine.post({ user: bob.user }, { type: 'send', body: { kind: 'text', text: 'from the second' } });
  await second.until(async () => (await second.engine.conversations()).length === 1);
  const talk = (await second.engine.conversations())[0]!.id;
  await has(first, talk, 'from the second');
  await has(second, talk, 'from the second');
  expect((await second.engine.ask({ type: 'users', limit: 1 })).type).toBe('users');
  expect(sockets).toBe(1);
  first.engine.close();
  await second.until(() => second.engine.leads, 'the second leads');
  await second.engine.post({ user: bob.user }, { type: 'send', body: { kind: 'text', text: 'still here' } });
  await has(second, talk, 'from the second', 'still here');
  expect(sockets).toBe(2);
});

test('read markers come from other devices, and what was read offline is told later', async () => {
  const talk = await says(bob, ada, 'one');
  const one = await tab(server, {}, ada);
  await one.until(async () => (await one.texts(talk)).length === 1);
  await one.until(async () => (await record(one.engine, talk)).unread === 1);
  one.engine.markRead(talk, 1);
  await one.until(async () => (await record(one.engine, talk)).unread === 0);
  const theirs = await tab(server, {}, bob);
  await theirs.until(async () => (await theirs.texts(talk)).length === 1);
  await says(bob, ada, 'two');
  await one.until(async () => (await record(one.engine, talk)).unread === 1);
  const device = { id: uuidv7(), name: 'phone' };
  const phone = await server.api().signIn({ name: 'ada', password: PASSWORD, device });
  await server.api(phone.token).command({ id: 9, type: 'mark_read', conversation: talk, seq: 2 });
  await one.until(async () => (await record(one.engine, talk)).unread === 0);
  await theirs.until(async () => (await record(theirs.engine, talk)).others_read === 2, 'bob sees that it was read');
});

test('a dead token ends the line at once and keeps the outbox for the next sign-in', async () => {
  const names = { cache: uuidv7(), keep: uuidv7() };
  const one = await tab(server, { names }, ada);
  await online(one);
  await server.api(ada.token).signOut();
  await one.until(() => one.engine.session === undefined && one.engine.line === 'signed-out');
  await expect(one.engine.post({ user: bob.user }, { type: 'send' })).rejects.toThrow();
  const again = await server.api().signIn({ name: 'ada', password: PASSWORD, device: { id: ada.device, name: 'test' } });
  await one.engine.entered(again);
  await online(one);
  expect(one.engine.line).toBe('online');
});
