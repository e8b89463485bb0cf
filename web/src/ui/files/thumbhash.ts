// A ThumbHash (https://evanw.github.io/thumbhash/) as pixels: what stands where a picture will be. What must not live here:
// pages.

export interface Pixels {
  width: number;
  height: number;
  rgba: Uint8ClampedArray<ArrayBuffer>;
}

/** Nothing for what is no ThumbHash. */
export function pixels(base64: string): Pixels | undefined {
  let hash: Uint8Array;
  try {
    hash = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
  if (hash.length < 5) return undefined;
  const at = (index: number) => hash[index] ?? 0;
  const head = at(0) | (at(1) << 8) | (at(2) << 16);
  const more = at(3) | (at(4) << 8);
  const alpha = head >> 23;
  const wide = more >> 15;
  const [long, short] = [alpha ? 5 : 7, more & 7];
  const [lx, ly] = wide ? [long, short] : [short, long];
  if (!lx || !ly) return undefined;
  let next = 0;
  const from = alpha ? 6 : 5;
  const channel = (nx: number, ny: number, scale: number) => {
    const all: { x: number; y: number; by: number }[] = [];
    for (let y = 0; y < ny; y += 1)
      for (let x = y ? 0 : 1; x * ny < nx * (ny - y); x += 1) {
        const half = (at(from + (next >> 1)) >> ((next & 1) << 2)) & 15;
        next += 1;
        all.push({ x, y, by: (half / 7.5 - 1) * scale * 2 });
      }
    return all;
  };
  const light = channel(Math.max(3, lx), Math.max(3, ly), ((head >> 18) & 31) / 31);
  const yellow = channel(3, 3, (((more >> 3) & 63) / 63) * 1.25);
  const red = channel(3, 3, (((more >> 9) & 63) / 63) * 1.25);
  const clear = alpha ? channel(5, 5, (at(5) >> 4) / 15) : [];
  const ratio = lx / ly;
  const width = Math.round(ratio > 1 ? 32 : 32 * ratio);
  const height = Math.round(ratio > 1 ? 32 / ratio : 32);
  const rgba = new Uint8ClampedArray(width * height * 4);
  const start = [(head & 63) / 63, ((head >> 6) & 63) / 31.5 - 1, ((head >> 12) & 63) / 31.5 - 1, alpha ? (at(5) & 15) / 15 : 1];
  for (let y = 0, i = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1, i += 4) {
      const [l, p, q, a] = [light, yellow, red, clear].map((all, which) =>
        all.reduce((sum, one) => sum + one.by * wave(x, width, one.x) * wave(y, height, one.y), start[which]!),
      ) as [number, number, number, number];
      const b = l - (2 / 3) * p;
      const r = (3 * l - b + q) / 2;
      rgba.set([r * 255, (r - q) * 255, b * 255, a * 255], i);
    }
  return { width, height, rgba };
}

const wave = (at: number, of: number, times: number) => Math.cos((Math.PI / of) * (at + 0.5) * times);
