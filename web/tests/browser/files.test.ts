// Files as people send and have them: chosen, pasted, dropped, spoken; on a phone and on a desktop; with the line going away.
// What must not live here: how a file gets up piece by piece (tests/server/files.test.ts).
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { PLAIN_HOST, type Person, shoot } from '../kit/browser';
import { aStage, both } from '../kit/stage';
import { good } from '../kit/talkers';

const FAKE_MICROPHONE = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];
aStage({
  env: { KINGLET_FILES_FILE_MIB: '4', KINGLET_FILES_TOTAL_MIB: '11', KINGLET_LISTEN_HOSTS: PLAIN_HOST },
  others: ['cid', 'dee'],
  args: FAKE_MICROPHONE,
});
const log = ({ page }: Person) => page.getByRole('log');

/** A photograph: left half red, right half blue, with noise so that it has some weight. */
async function photo(page: Page, width: number, height: number, type = 'image/jpeg'): Promise<Buffer> {
  const base64 = await page.evaluate(
    async ([wide, high, as]) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: wide, height: high });
      const on = canvas.getContext('2d')!;
      const picture = on.createImageData(wide, high);
      for (let at = 0; at < wide * high; at += 1) {
        const shade = 150 + Math.random() * 100;
        picture.data.set(at % wide < wide / 2 ? [shade, 20, 20, 255] : [20, 20, shade, 255], at * 4);
      }
      on.putImageData(picture, 0, 0);
      const blob = await new Promise<Blob>((resolve) => canvas.toBlob((made) => resolve(made!), as, 0.9));
      return btoa(new Uint8Array(await blob.arrayBuffer()).reduce((text, byte) => text + String.fromCharCode(byte), ''));
    },
    [width, height, type] as const,
  );
  return Buffer.from(base64, 'base64');
}

/** With what a phone writes in: turned by a quarter, and where it was taken. */
function asByPhone(jpeg: Buffer): Buffer {
  const tiff = Buffer.from('49492a0008000000020012010300010000000600000010010200100000002600000000000000', 'hex');
  const exif = Buffer.concat([Buffer.from('Exif\0\0'), tiff, Buffer.from('SECRETPLACE 5252')]);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(exif.length + 2);
  return Buffer.concat([jpeg.subarray(0, 2), Buffer.from([0xff, 0xe1]), length, exif, jpeg.subarray(2)]);
}

async function swipe(page: Page, dx: number, dy: number): Promise<void> {
  await page.mouse.move(180, 300);
  await page.mouse.down();
  await page.mouse.move(180 + dx, 300 + dy, { steps: 4 });
  await page.mouse.up();
}

test('several at once, made smaller, with words; seen, looked at and saved by the other one; listed', async () => {
  const ada = await both.at('ada', 'desktop');
  const sentUp: Buffer[] = [];
  ada.page.on('request', (request) => {
    if (request.method() === 'PUT') sentUp.push(request.postDataBuffer() ?? Buffer.alloc(0));
  });
  await ada.page.getByRole('button', { name: 'New message' }).click();
  await ada.page.getByRole('dialog').getByRole('button', { name: 'bob' }).click();
  const large = asByPhone(await photo(ada.page, 2400, 1600));
  await ada.page.getByLabel('Files', { exact: true }).last().setInputFiles([
    { name: 'harbour.jpg', mimeType: 'image/jpeg', buffer: large },
    { name: 'small.png', mimeType: 'image/png', buffer: await photo(ada.page, 400, 300, 'image/png') },
    { name: 'drawing.svg', mimeType: 'image/svg+xml', buffer: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>') },
    { name: 'too large.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(5 * 1024 * 1024) },
    { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('Bring the ropes.') },
  ]);
  const tray = ada.page.getByRole('list', { name: 'Files to send' });
  await tray.getByRole('alert').getByText('Too large: at most').waitFor();
  await tray.getByText(/, was /).first().waitFor();
  await good(ada);
  await shoot(ada, 'files-tray');
  await ada.page.getByRole('button', { name: 'Remove too large.bin' }).click();
  await ada.page.getByRole('textbox', { name: 'Write to bob' }).fill('For **tomorrow**');
  await ada.page.keyboard.press('Enter');
  await log(ada).getByText('tomorrow').waitFor();
  await tray.waitFor({ state: 'detached' });
  await log(ada).getByLabel('Sent', { exact: true }).nth(3).waitFor({ state: 'attached' });
  expect(Buffer.concat(sentUp).includes('SECRETPLACE')).toBe(false);

  const bob = await both.at('bob', 'phone', { scheme: 'dark', language: 'zh-CN' });
  await bob.page.getByRole('link', { name: /ada/ }).click();
  const pictures = log(bob).getByRole('button', { name: /打开图片/ });
  await pictures.nth(1).locator('img').waitFor();
  // An SVG is something to save, nothing that is both.shown.
  expect(await pictures.count()).toBe(2);
  await log(bob).getByRole('button', { name: '下载 drawing.svg' }).waitFor();
  await good(bob);
  await shoot(bob, 'files-talk-zh');
  await pictures.first().click();
  const viewer = bob.page.getByRole('dialog', { name: '图片' });
  const whole = viewer.getByRole('img', { name: 'harbour.jpg' });
  // The right way up: taken on its side, so it stands now, red above blue; and no longer than 2048.
  await expect.poll(() => whole.evaluate((image: HTMLImageElement) => [image.naturalWidth, image.naturalHeight])).toEqual([1365, 2048]);
  const colours = await whole.evaluate((image: HTMLImageElement) => {
    const on = new OffscreenCanvas(1365, 2048).getContext('2d')!;
    on.drawImage(image, 0, 0);
    return [on.getImageData(700, 300, 1, 1).data, on.getImageData(700, 1700, 1, 1).data].map(([red, , blue]) => (red! > blue! ? 'red' : 'blue'));
  });
  expect(colours).toEqual(['red', 'blue']);
  await good(bob);
  await shoot(bob, 'files-viewer-zh');
  await bob.page.keyboard.press('ArrowRight');
  await viewer.getByRole('img', { name: 'small.png' }).waitFor();
  await viewer.getByText('第 2 张，共 2 张').waitFor();
  await viewer.getByRole('button', { name: '放大' }).click();
  await bob.page.keyboard.press('Escape');
  await viewer.waitFor({ state: 'detached' });
  expect(await pictures.first().evaluate((one) => one === document.activeElement)).toBe(true);
  // By hand: on to the next, and down to close.
  await pictures.first().click();
  await whole.waitFor();
  await swipe(bob.page, -150, 10);
  await viewer.getByRole('img', { name: 'small.png' }).waitFor();
  await swipe(bob.page, 10, 200);
  await viewer.waitFor({ state: 'detached' });
  // The way back closes it and stays in the conversation; closing it otherwise has left nothing to go back through.
  const where = bob.page.url();
  const deep = () => bob.page.evaluate(() => history.length);
  const before = await deep();
  await pictures.first().click();
  await whole.waitFor();
  await bob.page.goBack();
  await viewer.waitFor({ state: 'detached' });
  expect([bob.page.url(), await deep()]).toEqual([where, before]);
  const saved = bob.page.waitForEvent('download');
  await log(bob).getByRole('button', { name: '下载 notes.txt' }).click();
  expect((await saved).suggestedFilename()).toBe('notes.txt');
  await bob.page.getByRole('button', { name: '文件', exact: true }).click();
  const list = bob.page.getByRole('dialog', { name: 'ada 中的文件' });
  await list.getByRole('button', { name: /打开图片/ }).nth(1).locator('img').waitFor();
  await good(bob);
  await shoot(bob, 'files-list-zh');
  await list.getByRole('button', { name: '文件', exact: true }).click();
  await list.getByText('notes.txt', { exact: true }).waitFor();
  await list.getByRole('button', { name: '视频' }).click();
  await list.getByText('还没有视频。').waitFor();
  await bob.page.keyboard.press('Escape');
  await log(ada).getByLabel('Read', { exact: true }).first().waitFor({ state: 'attached' });
  await shoot(ada, 'files-talk');
  await good(ada);
});

test('pasted, dropped, and cut off on the way: it waits, survives a reload, and is there once', async () => {
  const one = await both.at('cid', 'desktop', { scheme: 'dark' });
  await one.page.getByRole('button', { name: 'New message' }).click();
  await one.page.getByRole('dialog').getByRole('button', { name: 'ada' }).click();
  await one.page.getByRole('textbox', { name: 'Write to ada' }).waitFor();
  const bring = (how: 'paste' | 'drop', name: string, size: number) =>
    one.page.evaluate(
      ([event, called, bytes]) => {
        const data = new DataTransfer();
        data.items.add(new File([crypto.getRandomValues(new Uint8Array(Math.min(bytes, 65_536))), new Uint8Array(bytes - Math.min(bytes, 65_536))], called));
        const on = document.querySelector('.scroll')!;
        const more = { bubbles: true, cancelable: true };
        if (event === 'paste') on.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, ...more }));
        else for (const name of ['dragenter', 'dragover', 'drop']) on.dispatchEvent(new DragEvent(name, { dataTransfer: data, ...more }));
      },
      [how, name, size] as const,
    );
  // What is pasted earlier finds nobody there, or belongs to the dialog.
  await one.page.getByLabel('Attach').waitFor();
  await one.page.locator('dialog[open]').waitFor({ state: 'detached' });
  await bring('paste', 'pasted.bin', 1_000);
  await one.page.getByText('pasted.bin').waitFor();
  await bring('drop', 'dropped.bin', 1_500_000);
  await one.page.getByText('dropped.bin').waitFor();
  const slow = await one.context.newCDPSession(one.page);
  await slow.send('Network.emulateNetworkConditions', { offline: false, latency: 5, downloadThroughput: 1e7, uploadThroughput: 500_000 });
  await one.page.getByRole('button', { name: 'Send', exact: true }).click();
  await log(one).getByRole('article').filter({ hasText: 'dropped.bin' }).getByText(/Uploading [1-9]\d* %/).waitFor();
  await good(one);
  await shoot(one, 'files-uploading-dark');
  await both.server.kill();
  await log(one).getByText('Waits for the connection').waitFor();
  await both.server.restart();
  one.page.on('dialog', (dialog) => void dialog.accept());
  await one.page.reload();
  await log(one).getByRole('button', { name: 'Download dropped.bin' }).waitFor();
  await log(one).getByRole('progressbar').waitFor({ state: 'detached' });
  expect(await log(one).getByRole('article').allInnerTexts()).toHaveLength(2);
  // Taken back on the way it is gone.
  await bring('drop', 'never.bin', 3_900_000);
  await one.page.getByText('never.bin').waitFor();
  await slow.send('Network.emulateNetworkConditions', { offline: false, latency: 5, downloadThroughput: 1e7, uploadThroughput: 200_000 });
  await one.page.getByRole('button', { name: 'Send', exact: true }).click();
  await log(one).getByText('Uploading').waitFor();
  await log(one).getByRole('button', { name: 'Cancel' }).click();
  await log(one).getByText('never.bin').waitFor({ state: 'detached' });
  // All files together are too much for the server: it waits, says why, and can be taken back.
  await slow.detach();
  for (const name of ['a.bin', 'b.bin', 'c.bin']) await bring('drop', name, 3_900_000);
  await one.page.getByText('c.bin').waitFor();
  await one.page.getByRole('button', { name: 'Send', exact: true }).click();
  const waits = log(one).getByText('The server’s disk is full. It is tried again by itself');
  await waits.waitFor();
  await good(one);
  await shoot(one, 'files-full-dark');
  await log(one).getByRole('button', { name: 'Cancel' }).click();
  await waits.waitFor({ state: 'detached' });
  expect(one.complaints.filter((text) => !text.includes('Lost'))).toEqual([]);
});

test('one’s voice: recorded, heard, sent, and played by the other one; without https it says why not', async () => {
  const one = await both.at('dee', 'phone');
  await one.page.getByRole('button', { name: 'New message' }).click();
  await one.page.getByRole('dialog').getByRole('button', { name: 'ada' }).click();
  await one.page.getByRole('button', { name: 'Voice message' }).click();
  await one.page.getByText('0:01').waitFor();
  await good(one);
  await shoot(one, 'files-recording');
  await one.page.getByRole('button', { name: 'Stop', exact: true }).click();
  const tray = one.page.getByRole('list', { name: 'Files to send' });
  await tray.getByRole('button', { name: /Play: Voice message/ }).click();
  await tray.getByRole('button', { name: /Pause/ }).waitFor();
  await good(one);
  await one.page.getByRole('button', { name: 'Send', exact: true }).click();
  await log(one).getByLabel('Sent', { exact: true }).waitFor({ state: 'attached' });
  const other = await both.at('ada', 'desktop', { scheme: 'dark' });
  await other.page.getByRole('link', { name: /dee/ }).click();
  await log(other).getByRole('button', { name: /Play: Voice message/ }).click();
  await log(other).getByRole('button', { name: /Pause/ }).waitFor();
  await shoot(other, 'files-voice-dark');
  await good(other);
  const plain = await both.at('dee', 'phone', { url: both.shown.url.replace('127.0.0.1', PLAIN_HOST), language: 'zh-CN' });
  await plain.page.getByRole('link', { name: /ada/ }).click();
  await plain.page.getByRole('button', { name: '语音消息', exact: true }).click();
  await plain.page.getByRole('alert').getByText('需要安全连接').waitFor();
  await good(plain);
  await shoot(plain, 'files-voice-plain-zh');
});
