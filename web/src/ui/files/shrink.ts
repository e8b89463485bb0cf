// A chosen file as it will be sent: pictures made smaller and without what the camera wrote in, films and sound measured.
// What must not live here: pages, and the network.
import type { NewFile } from '../../engine/records';
import { hashOf } from './hash';

/** Longer pictures are made smaller. */
export const LONG_EDGE = 2_048;
/** Smaller ones of usual kinds stay as they are; the server takes out what they tell without touching a pixel. */
const LEAVE_BYTES = 1024 * 1024;
const QUALITY = 0.85;
const MEASURE_MS = 5_000;
const NAME_BYTES = 255;
const USUAL = /^image\/(jpeg|png|webp|gif|avif)$/;

export type Prepared = Omit<NewFile, 'caption'>;

export async function prepare(file: File, original: boolean): Promise<Prepared> {
  const as = { name: nameOf(file.name), bytes: file };
  const [main] = file.type.split('/');
  if (main === 'image' && file.type !== 'image/svg+xml') return picture(file, as, original);
  if (main === 'video' || main === 'audio') return { ...as, kind: main, ...(await measured(file, main)) };
  return { ...as, kind: 'file' };
}

async function picture(file: File, as: { name: string; bytes: Blob }, original: boolean): Promise<Prepared> {
  const whole = await loaded(file);
  // What this browser cannot read goes as it is; the server may know it.
  if (!whole) return { ...as, kind: USUAL.test(file.type) ? 'image' : 'file' };
  const { naturalWidth: width, naturalHeight: height } = whole;
  const same: Prepared = { ...as, kind: 'image', width, height };
  const usual = USUAL.test(file.type);
  const longest = Math.max(width, height);
  if (usual && (original || (longest <= LONG_EDGE && file.size <= LEAVE_BYTES) || (await moves(file)))) return same;
  const by = Math.min(1, LONG_EDGE / longest);
  const to = { width: Math.max(1, Math.round(width * by)), height: Math.max(1, Math.round(height * by)) };
  // Photographs are JPEG for everybody; drawings and screens keep their edges and see-through parts as WebP.
  const type = /png|webp|bmp/.test(file.type) ? 'image/webp' : 'image/jpeg';
  const bytes = await drawn(file, whole, to, type).catch(() => undefined);
  if (!bytes || (usual && bytes.size >= file.size)) return same;
  const ending = { 'image/jpeg': 'jpg', 'image/webp': 'webp' }[bytes.type] ?? 'png';
  return { kind: 'image', name: nameOf(`${as.name.replace(/\.[^.]*$/, '')}.${ending}`), bytes, ...to };
}

/** Its `naturalWidth` and `naturalHeight` are those of the picture the right way up. */
async function loaded(file: Blob): Promise<HTMLImageElement | undefined> {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = reject;
    });
    return image.naturalWidth ? image : undefined;
  } catch {
    return undefined;
  }
}

/** Decoding, scaling and encoding are done beside the page's own thread where the browser can. */
async function drawn(file: Blob, whole: HTMLImageElement, to: { width: number; height: number }, type: string): Promise<Blob> {
  const small = await scaled(file, to);
  try {
    if (typeof OffscreenCanvas !== 'undefined') {
      const canvas = new OffscreenCanvas(to.width, to.height);
      paint(canvas.getContext('2d'), small ?? whole, to, type);
      return await canvas.convertToBlob({ type, quality: QUALITY });
    }
    const canvas = Object.assign(document.createElement('canvas'), to);
    paint(canvas.getContext('2d'), small ?? whole, to, type);
    return await new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('no picture'))), type, QUALITY));
  } finally {
    small?.close();
    URL.revokeObjectURL(whole.src);
  }
}

/** Browsers that do not know `from-image` would turn the picture: then the element, which is the right way up, is drawn. */
async function scaled(file: Blob, { width, height }: { width: number; height: number }): Promise<ImageBitmap | undefined> {
  try {
    const options = { imageOrientation: 'from-image', resizeWidth: width, resizeHeight: height, resizeQuality: 'high' } as const;
    return await createImageBitmap(file, options);
  } catch {
    return undefined;
  }
}

type Paper = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D | null;

function paint(on: Paper, what: CanvasImageSource, { width, height }: { width: number; height: number }, type: string): void {
  if (!on) throw new Error('there is nothing to draw on');
  if (type === 'image/jpeg') {
    on.fillStyle = '#fff';
    on.fillRect(0, 0, width, height);
  }
  on.imageSmoothingQuality = 'high';
  on.drawImage(what, 0, 0, width, height);
}

/** A moving picture would stand still afterwards. */
export async function moves(file: Blob): Promise<boolean> {
  if (file.type === 'image/gif') return true;
  const head = new Uint8Array(await file.slice(0, 4_096).arrayBuffer());
  const says = (word: string, from = 0) => {
    const text = String.fromCharCode(...head);
    return text.indexOf(word, from) >= 0;
  };
  if (file.type === 'image/png') return says('acTL');
  if (file.type === 'image/webp') return says('VP8X') && (head[20]! & 2) !== 0;
  return file.type === 'image/avif' && says('ftypavis');
}

type Measures = Partial<Pick<NewFile, 'width' | 'height' | 'duration_ms' | 'thumbhash'>>;

async function measured(file: Blob, main: 'video' | 'audio'): Promise<Measures> {
  const player = document.createElement(main);
  player.preload = main === 'video' ? 'auto' : 'metadata';
  player.muted = true;
  player.setAttribute('playsinline', '');
  player.src = URL.createObjectURL(file);
  try {
    await new Promise((resolve, reject) => {
      player.onloadedmetadata = resolve;
      player.onerror = reject;
      setTimeout(reject, MEASURE_MS);
    });
    const ms = Number.isFinite(player.duration) ? { duration_ms: Math.round(player.duration * 1_000) } : {};
    if (!(player instanceof HTMLVideoElement) || !player.videoWidth) return ms;
    return { ...ms, width: player.videoWidth, height: player.videoHeight, ...(await firstPicture(player)) };
  } catch {
    return {};
  } finally {
    URL.revokeObjectURL(player.src);
  }
}

/** Films often begin black. */
const POSTER_S = 0.5;
const POSTER_SIDE = 96;

/** What stands there until somebody plays it; a browser that shows no picture of it before leaves it out. */
async function firstPicture(film: HTMLVideoElement): Promise<Pick<NewFile, 'thumbhash'>> {
  try {
    await new Promise((resolve, reject) => {
      film.onseeked = resolve;
      film.onerror = reject;
      setTimeout(reject, MEASURE_MS);
      film.currentTime = Number.isFinite(film.duration) ? Math.min(POSTER_S, film.duration / 2) : 0;
    });
    const by = POSTER_SIDE / Math.max(film.videoWidth, film.videoHeight);
    const [width, height] = [film.videoWidth, film.videoHeight].map((side) => Math.max(1, Math.round(side * Math.min(1, by)))) as [number, number];
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const on = canvas.getContext('2d');
    if (!on) return {};
    on.drawImage(film, 0, 0, width, height);
    return { thumbhash: hashOf(width, height, on.getImageData(0, 0, width, height).data) };
  } catch {
    return {};
  }
}

/** What the server takes for a name: one line, no slashes, no blanks at its ends, at most so many bytes. */
export function nameOf(name: string): string {
  const plain = name.replace(/[\p{Cc}\p{Zl}\p{Zp}/\\]+/gu, ' ').trim();
  const ending = /\.[^.\s]{1,10}$/.exec(plain)?.[0] ?? '';
  let stem = plain.slice(0, plain.length - ending.length);
  const long = () => new TextEncoder().encode(stem + ending).length > NAME_BYTES;
  while (long()) stem = [...stem].slice(0, -1).join('');
  return (stem + ending).trim() || 'file';
}
