// A picture as a ThumbHash (https://evanw.github.io/thumbhash/): 25 bytes that say roughly what it looks like. What must not
// live here: reading one (thumbhash.ts), pages.

interface Channel {
  mean: number;
  waves: number[];
  scale: number;
}

/** The waves of a channel up to so many along each side, each in -1 to 1 of the largest. */
function waves(values: Float64Array, width: number, height: number, nx: number, ny: number): Channel {
  let mean = 0;
  let scale = 0;
  const found: number[] = [];
  for (let cy = 0; cy < ny; cy += 1)
    for (let cx = 0; cx * ny < nx * (ny - cy); cx += 1) {
      let sum = 0;
      for (let y = 0; y < height; y += 1) {
        const down = Math.cos((Math.PI / height) * cy * (y + 0.5));
        for (let x = 0; x < width; x += 1) sum += values[x + y * width]! * Math.cos((Math.PI / width) * cx * (x + 0.5)) * down;
      }
      sum /= width * height;
      if (cx || cy) {
        found.push(sum);
        scale = Math.max(scale, Math.abs(sum));
      } else mean = sum;
    }
  return { mean, scale, waves: found.map((one) => (scale ? 0.5 + (0.5 / scale) * one : 0)) };
}

const whole = (value: number, most: number) => Math.min(most, Math.max(0, Math.round(value * most)));

/** Of a picture without see-through parts, at most 100 by 100 pixels; in base64. */
export function hashOf(width: number, height: number, rgba: Uint8ClampedArray): string {
  const size = width * height;
  const [light, yellow, red] = [new Float64Array(size), new Float64Array(size), new Float64Array(size)];
  for (let i = 0; i < size; i += 1) {
    const [r, g, b] = [rgba[i * 4]! / 255, rgba[i * 4 + 1]! / 255, rgba[i * 4 + 2]! / 255];
    light[i] = (r + g + b) / 3;
    yellow[i] = (r + g) / 2 - b;
    red[i] = r - g;
  }
  const longest = Math.max(width, height);
  const lx = Math.max(1, Math.round((7 * width) / longest));
  const ly = Math.max(1, Math.round((7 * height) / longest));
  const l = waves(light, width, height, Math.max(3, lx), Math.max(3, ly));
  const p = waves(yellow, width, height, 3, 3);
  const q = waves(red, width, height, 3, 3);
  const wide = width > height;
  const head = whole(l.mean, 63) | (whole(0.5 + 0.5 * p.mean, 63) << 6) | (whole(0.5 + 0.5 * q.mean, 63) << 12) | (whole(l.scale, 31) << 18);
  const more = (wide ? ly : lx) | (whole(p.scale, 63) << 3) | (whole(q.scale, 63) << 9) | (wide ? 1 << 15 : 0);
  const hash = [head & 255, (head >> 8) & 255, head >> 16, more & 255, more >> 8];
  [...l.waves, ...p.waves, ...q.waves].forEach((one, at) => {
    const half = whole(one, 15);
    if (at % 2) hash[hash.length - 1]! |= half << 4;
    else hash.push(half);
  });
  return btoa(String.fromCharCode(...hash));
}
