// Numbers as colours: a scale that is even to the eye and to those who see fewer colours, and one for differences.

const EVEN = ["440154", "482475", "414487", "355f8d", "2a788e", "21908d", "22a884", "44bf70", "7ad151", "bdde26", "fde725"];
const APART = ["2166ac", "67a9cf", "d1e5f0", "f7f7f7", "fddbc7", "ef8a62", "b2182b"];

const read = (stops) => stops.map((text) => [0, 2, 4].map((i) => parseInt(text.slice(i, i + 2), 16)));
const even = read(EVEN);
const apart = read(APART);

function between(stops, share) {
  const at = Math.max(0, Math.min(1, share)) * (stops.length - 1);
  const low = Math.min(stops.length - 2, Math.floor(at));
  return [0, 1, 2].map((k) => Math.round(stops[low][k] + (at - low) * (stops[low + 1][k] - stops[low][k])));
}

/** The colour of a number from 0 to `top`; what is infinite is white. */
export function heat(value, top) {
  return Number.isFinite(value) ? between(even, value / top) : [255, 255, 255];
}

/** The colour of a difference from -`top` to `top`. */
export function difference(value, top) {
  return between(apart, value === Infinity ? 1 : (value / top + 1) / 2);
}

/** Paint numbers [H W] on a canvas, a pixel each. */
export function paint(canvas, height, width, colour) {
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const picture = context.createImageData(width, height);
  for (let p = 0; p < height * width; p++) picture.data.set([...colour(p), 255], 4 * p);
  context.putImageData(picture, 0, 0);
}

const FINE = 1024; // colours of a table

/** Paint rows of numbers from `low` to `high` on a canvas, by a scale of colours such as `heat`: fast, for large pictures. */
export function paintRows(canvas, top, rows, value, { low, high, scale }) {
  const table = new Uint32Array(FINE + 1);
  const bytes = new Uint8Array(table.buffer);
  for (let i = 0; i <= FINE; i++) bytes.set([...scale(low + ((high - low) * i) / FINE), 255], 4 * i);
  const beyond = new Uint32Array(new Uint8Array([...scale(Infinity), 255]).buffer)[0];
  const { width } = canvas;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const picture = context.createImageData(width, rows);
  const pixels = new Uint32Array(picture.data.buffer);
  for (let i = 0; i < rows * width; i++) {
    const x = value(top * width + i);
    const at = Number.isNaN(x) ? FINE / 2 : ((x - low) / (high - low)) * FINE; // infinity less infinity is neither
    pixels[i] = x === Infinity ? beyond : table[at > 0 ? (at < FINE ? Math.round(at) : FINE) : 0];
  }
  context.putImageData(picture, 0, top);
}
