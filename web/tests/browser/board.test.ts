// What an admin sees of the board and its card, from files as its kernel has them, and the plug test with a server that is killed in
// the place of a plug that is pulled. What must not live here: which figure is bad from where on, and what is found on the card
// (tests/stories/board_health.rs).
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Person, shoot } from '../kit/browser';
import { Desk, good } from '../kit/desk';

let desk: Desk;
let root: string;
beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'kinglet-board-'));
  await heat(48);
  await boot('first');
  desk = await Desk.open({ KINGLET_BOARD_ROOT: root });
  await desk.server.claim('ada', undefined, 'Harbour');
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await desk.confess();
});
afterAll(async () => {
  await desk?.close();
  await rm(root, { recursive: true, force: true });
});

async function file(name: string, text: string): Promise<void> {
  const to = path.join(root, name);
  await mkdir(path.dirname(to), { recursive: true });
  await writeFile(to, text);
}
async function heat(celsius: number): Promise<void> {
  await file('sys/class/thermal/thermal_zone0/type', 'cpu-thermal\n');
  await file('sys/class/thermal/thermal_zone0/temp', `${celsius * 1_000}\n`);
}
const boot = (name: string) => file('proc/sys/kernel/random/boot_id', `${name}\n`);
const figure = ({ page }: Person, name: string) => page.locator('.figure').filter({ has: page.locator('dt', { hasText: name }) }).locator('strong');
const counting = (one: Person) => one.page.locator('.counting');
/** The number that the page shows while records are written. */
const number = async (one: Person) => Number((await counting(one).innerText()).replace(/\D/g, ''));
const seesMore = async (one: Person, than: number) => expect.poll(() => number(one), { timeout: 20_000 }).toBeGreaterThan(than);

test('what is not reported is no number; heat is said above all figures, with what to do, and is over when it is over', async () => {
  const one = await desk.at('ada', 'desktop');
  await one.page.goto('/admin/health');
  await figure(one, 'Temperature').getByText('48 °C').waitFor();
  for (const name of ['Voltage', 'Speed', 'Errors of the card']) expect(await figure(one, name).innerText()).toBe('Not reported');
  await one.page.getByText('Cannot tell: it was never tried.').waitFor();
  await good(one);
  await heat(82);
  const bad = one.page.locator('.health.bad').getByText('Give it air or a cooler');
  await bad.waitFor();
  await figure(one, 'Temperature').getByText('82 °C').waitFor();
  await good(one);
  await shoot(one, 'admin-board');
  await heat(50);
  await bad.waitFor({ state: 'detached' });
  await desk.leave(one);
});

test('the plug: the highest number is kept over a reload, and told when the board is back', async () => {
  const one = await desk.at('ada', 'desktop');
  await one.page.goto('/admin/health');
  await one.page.getByRole('button', { name: 'Begin the test' }).click();
  await seesMore(one, 2);
  await good(one);
  await one.page.reload();
  await seesMore(one, 8);
  await desk.server.kill();
  await one.page.getByText(/The board does not answer\. The last number seen here is/).waitFor();
  const last = await number(one);
  await good(one);
  await shoot(one, 'admin-plug-away');
  await boot('second');
  await desk.server.restart();
  const kept = one.page.getByText(/Your card keeps what it says: all \d+ writes/);
  await kept.waitFor();
  expect(await kept.innerText()).toContain(`all ${last} writes`);
  await good(one);
  await shoot(one, 'admin-plug-keeps');
  await desk.leave(one);
});

test('on a phone and in Chinese: a card that lost writes is to be replaced; nothing is told where the board was not off', async () => {
  const one = await desk.at('ada', 'phone', { language: 'zh-CN', scheme: 'dark' });
  await one.page.goto('/admin/health');
  const begin = one.page.getByRole('button', { name: '开始测试' });
  await begin.click();
  await seesMore(one, 1);
  await desk.server.kill();
  await one.page.getByText(/主板没有回应/).waitFor();
  await desk.server.restart();
  await one.page.getByText('无法判断：主板没有断电。').waitFor();
  await good(one);
  await begin.click();
  await seesMore(one, 1);
  const records = path.join(desk.server.folder, 'data/plug-test.records');
  const early = await readFile(records);
  await seesMore(one, 12);
  await desk.server.kill();
  // As a card does that confirms what is only in its memory.
  await writeFile(records, early);
  await boot('third');
  await desk.server.restart();
  await one.page.getByText(/存储卡丢失了 \d+ 次它已确认的写入：请更换。/).waitFor();
  await one.page.locator('.health.bad').getByText('请立即备份，并恢复到新的存储卡上。').waitFor();
  await good(one);
  await shoot(one, 'admin-plug-lost');
  await desk.leave(one);
});
