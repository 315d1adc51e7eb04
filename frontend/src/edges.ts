/**
 * Where depth jumps from one surface to another, in inverse depth: there a plane is linear in the pixels, however slanted
 * it is. The rules and their numbers are those of depthmap.geometry.edges, which gives the reasons.
 */

export interface Map2 {
  values: Float32Array;
  width: number;
  height: number;
}
export type Axis = "down" | "across";

const TEAR = 0.05;
const STEEPEST = 0.3;
const RAMP = 0.5;

function unexplained(step: number, before: number, after: number): number {
  const lowest = Math.min(before, after, 0);
  const highest = Math.max(before, after, 0);
  return Math.max(step - highest, lowest - step, 0);
}

const known = (value: number) => (Number.isNaN(value) ? 0 : value);

/** Return which pixels are of one surface with the next along an axis: 1 or 0, in the size of the map. */
export function joined({ values, width, height }: Map2, axis: Axis): Uint8Array {
  const out = new Uint8Array(width * height);
  const stride = axis === "across" ? 1 : width;
  const length = axis === "across" ? width : height;
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const place = axis === "across" ? column : row;
      if (place + 1 >= length) continue;
      const at = row * width + column;
      const here = values[at]!;
      const next = values[at + stride]!;
      const near = Math.max(here, next);
      const far = Math.min(here, next);
      if (!(near <= (1 + STEEPEST) * far)) continue;
      const before = place > 0 ? known(here - values[at - stride]!) : 0;
      const after = place + 2 < length ? known(values[at + 2 * stride]! - next) : 0;
      if (unexplained(next - here, before, after) / far <= TEAR) out[at] = 1;
    }
  return out;
}

/** Return inverse depth whose blurred edges are steps: each pixel of a ramp goes to the surface on its side. */
export function sharpened(map: Map2, reach: number): Map2 {
  let { values } = map;
  for (const size of [reach, 1]) {
    const now = { ...map, values };
    const least = windowed(now, size, Math.min);
    const most = windowed(now, size, Math.max);
    const middle = least.map((low, at) => (low + most[at]!) / 2);
    const ramps = new Float32Array(values.length);
    markRamps(now, size, "across", ramps);
    markRamps(now, size, "down", ramps);
    const holes = windowed({ ...map, values: ramps }, Math.ceil(size / 2), Math.max);
    values = filled(now, holes, middle, 2 * size);
  }
  return { ...map, values };
}

function markRamps({ values, width, height }: Map2, reach: number, axis: Axis, ramps: Float32Array): void {
  const stride = axis === "across" ? 1 : width;
  const last = (axis === "across" ? width : height) - 1;
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const place = axis === "across" ? column : row;
      const at = row * width + column;
      const seen = (offset: number) => {
        const to = Math.min(last, Math.max(0, place + offset));
        return values[at + (to - place) * stride]!;
      };
      const start = seen(-reach);
      const end = seen(reach);
      const before = 2 * (start - seen(-2 * reach));
      const after = 2 * (seen(2 * reach) - end);
      const excess = unexplained(end - start, before, after);
      if (!(excess > TEAR * Math.min(start, end))) continue;
      const back = values[at]! - seen(-1);
      const forth = seen(1) - values[at]!;
      const slope = back * forth > 0 ? Math.min(Math.abs(back), Math.abs(forth)) : 0;
      const steep = slope - Math.max(Math.abs(before), Math.abs(after)) / (2 * reach);
      if (steep > (RAMP * excess) / (2 * reach)) ramps[at] = 1;
    }
}

/** Return the least or greatest of the square around each pixel; NaN where one of them is. */
function windowed(map: Map2, reach: number, pick: (a: number, b: number) => number): Float32Array {
  const { width, height } = map;
  let from = map.values;
  for (const axis of ["down", "across"] as const) {
    const to = new Float32Array(from.length);
    const stride = axis === "across" ? 1 : width;
    const last = (axis === "across" ? width : height) - 1;
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++) {
        const place = axis === "across" ? column : row;
        const at = row * width + column;
        let found = from[at]!;
        for (let near = Math.max(0, place - reach); near <= Math.min(last, place + reach); near++)
          found = pick(found, from[at + (near - place) * stride]!);
        to[at] = found;
      }
    from = to;
  }
  return from;
}

/** Return the values with holes filled from around, each by what lies on its own side of `middle`. */
function filled({ values, width, height }: Map2, holes: Float32Array, middle: Float32Array, rounds: number): Float32Array {
  const out = values.map((value, at) => (holes[at] ? NaN : value));
  let wanted: number[] = [];
  holes.forEach((hole, at) => hole && wanted.push(at));
  for (let round = 0; round < rounds && wanted.length; round++) {
    const left: number[] = [];
    const found: [number, number][] = [];
    for (const at of wanted) {
      const value = mean(out, at, width, height, middle[at]!, values[at]! > middle[at]!);
      if (Number.isNaN(value)) left.push(at);
      else found.push([at, value]);
    }
    for (const [at, value] of found) out[at] = value;
    wanted = left;
  }
  return out.map((value, at) => (Number.isNaN(value) ? values[at]! : value));
}

/** Return the mean of the pixels around one that lie on its side of a limit; NaN where none does. */
function mean(values: Float32Array, at: number, width: number, height: number, limit: number, near: boolean): number {
  const row = Math.floor(at / width);
  const column = at % width;
  let sum = 0;
  let count = 0;
  for (let y = Math.max(0, row - 1); y <= Math.min(height - 1, row + 1); y++)
    for (let x = Math.max(0, column - 1); x <= Math.min(width - 1, column + 1); x++) {
      const value = values[y * width + x]!;
      if ((x === column && y === row) || Number.isNaN(value) || value > limit !== near) continue;
      sum += value;
      count += 1;
    }
  return count ? sum / count : NaN;
}
