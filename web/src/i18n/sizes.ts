// How much of a disk something takes, in one way wherever it stands: in the units that the server's settings and documents have.
// What must not live here: words.
import { words } from './index';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 10 ? 0 : 1;
  return `${new Intl.NumberFormat(words.value.lang, { maximumFractionDigits: digits }).format(value)} ${UNITS[unit]}`;
}
