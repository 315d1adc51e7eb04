/** Colour maps, as the server has them, and depth drawn in them. */

import type { Depth } from "./depth";

const LONGEST = 2048; // pixels drawn: a map of 50 megapixels need not be painted whole

/** 256 colours, three bytes each, from far to near. */
export type Table = Uint8Array;

export function readTables(maps: Record<string, string>): Map<string, Table> {
  return new Map(Object.entries(maps).map(([name, text]) => [name, readTable(text)]));
}

/** Read 256 × 6 hexadecimal digits. */
function readTable(text: string): Table {
  const plain = text.replace(/[^0-9a-f]/gi, "");
  const table = new Uint8Array(768);
  for (let at = 0; at < 768; at++) table[at] = parseInt(plain.slice(2 * at, 2 * at + 2), 16);
  return table;
}

/** Return which of 256 colours an inverse depth has: NaN is the farthest. */
export function level(inverse: number, low: number, high: number): number {
  if (!(high > low) || Number.isNaN(inverse)) return 0;
  const place = ((inverse - low) / (high - low)) * 255;
  return place <= 0 ? 0 : place >= 255 ? 255 : rounded(place);
}

/** Round half to even, as NumPy does. */
function rounded(value: number): number {
  const down = Math.floor(value);
  const rest = value - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down;
}

/** Draw depth in colours into a canvas of its size, or of every second pixel, and so on. */
export function paint(canvas: HTMLCanvasElement, depth: Depth, table: Table): void {
  const stride = Math.ceil(Math.max(depth.width, depth.height) / LONGEST);
  const width = Math.ceil(depth.width / stride);
  const height = Math.ceil(depth.height / stride);
  const image = new ImageData(width, height);
  const words = new Uint32Array(image.data.buffer);
  const colours = new Uint32Array(256).map(
    (_, at) => (255 << 24) | (table[3 * at + 2]! << 16) | (table[3 * at + 1]! << 8) | table[3 * at]!,
  );
  const { low, high } = depth.shown;
  let to = 0;
  for (let row = 0; row < depth.height; row += stride)
    for (let column = 0; column < depth.width; column += stride)
      words[to++] = colours[level(depth.inverse[row * depth.width + column]!, low, high)]!;
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}

/** Draw a colour map from far to near into a canvas. */
export function paintRamp(canvas: HTMLCanvasElement, table: Table): void {
  canvas.width = 256;
  canvas.height = 1;
  const image = new ImageData(256, 1);
  for (let at = 0; at < 256; at++) image.data.set([...table.subarray(3 * at, 3 * at + 3), 255], 4 * at);
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}
