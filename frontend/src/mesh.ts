/** The surface and the points that a picture shows: depthmap.geometry.mesh, for fewer vertices. */

import { joined, sharpened, type Map2 } from "./edges";
import type { Camera } from "./api";
import type { Depth } from "./depth";

export interface Shape {
  /** x right, y up, z towards the viewer, three numbers each. */
  positions: Float32Array;
  /** Where in the picture a vertex is, from (0, 0) at the top left to (1, 1). */
  uv: Float32Array;
  /** Three vertices of each triangle, or each point once. */
  index: Uint32Array;
}

const BLUR = 100; // networks blur edges over about this share of the longer side
const TINY = 1.1754944e-38;

/** Depth of every second pixel, or every third, and so on, so that the longer side has at most `longest`. */
class Sampled {
  readonly distances: Float32Array;
  readonly rows: number[];
  readonly columns: number[];

  constructor(
    readonly depth: Depth,
    readonly camera: Camera,
    longest: number,
    ratio: number,
    fov: number | null,
  ) {
    const stride = Math.ceil(Math.max(depth.width, depth.height) / longest);
    const places = (length: number) => {
      const found: number[] = [];
      for (let at = Math.floor(((length - 1) % stride) / 2); at < length; at += stride) found.push(at);
      return found;
    };
    this.rows = places(depth.height);
    this.columns = places(depth.width);
    const inverse = new Float32Array(this.rows.length * this.columns.length);
    let to = 0;
    for (const row of this.rows) for (const column of this.columns) inverse[to++] = depth.inverse[row * depth.width + column]!;
    this.distances = depth.distances(inverse, ratio, fov);
  }

  /** Return vertices at these distances, and where in the picture they are. */
  placed(distances: Float32Array): Pick<Shape, "positions" | "uv"> {
    const { fx, fy, cx, cy } = this.camera;
    const positions = new Float32Array(distances.length * 3);
    const uv = new Float32Array(distances.length * 2);
    let at = 0;
    for (const row of this.rows)
      for (const column of this.columns) {
        const z = Number.isFinite(distances[at]!) ? distances[at]! : 0; // of no triangle, and of no point
        positions.set([((column - cx) / fx) * z, ((cy - row) / fy) * z, -z], 3 * at);
        uv.set([(column + 0.5) / this.depth.width, (row + 0.5) / this.depth.height], 2 * at);
        at += 1;
      }
    return { positions, uv };
  }
}

export function surface(depth: Depth, longest: number, ratio: number, fov: number | null): Shape {
  const sampled = new Sampled(depth, depth.camera(fov), longest, ratio, fov);
  const map: Map2 = {
    values: sampled.distances.map((z) => (Number.isFinite(z) && z > TINY ? 1 / z : NaN)),
    width: sampled.columns.length,
    height: sampled.rows.length,
  };
  const sharp = sharpened(map, Math.max(1, Math.floor(Math.max(map.width, map.height) / BLUR)));
  const placed = sampled.placed(sharp.values.map((value) => 1 / value));
  return { ...placed, index: triangles(sharp) };
}

export function points(depth: Depth, longest: number, ratio: number, fov: number | null): Shape {
  const sampled = new Sampled(depth, depth.camera(fov), longest, ratio, fov);
  const index: number[] = [];
  sampled.distances.forEach((z, at) => Number.isFinite(z) && index.push(at));
  return { ...sampled.placed(sampled.distances), index: new Uint32Array(index) };
}

/** Return the triangles of a map, counter-clockwise as the camera sees them; none across an edge. */
export function triangles(map: Map2): Uint32Array {
  const { width, height } = map;
  const down = joined(map, "down");
  const across = joined(map, "across");
  const faces: number[] = [];
  for (let row = 0; row + 1 < height; row++)
    for (let column = 0; column + 1 < width; column++) {
      const a = row * width + column; // corners of a block: a b above, c d below
      const [b, c, d] = [a + 1, a + width, a + width + 1];
      const [above, below, left, right] = [across[a], across[c], down[a], down[b]];
      const falling = (above && left) || (below && right) || !((left && below) || (above && right));
      if (falling) {
        if (above && left) faces.push(a, c, b);
        if (below && right) faces.push(b, c, d);
      } else {
        if (left && below) faces.push(a, c, d);
        if (above && right) faces.push(a, d, b);
      }
    }
  return new Uint32Array(faces);
}
