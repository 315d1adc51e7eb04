/** Depth of one picture: its values, what they mean, and what follows from them. The rules are those of depthmap.depth. */

import type { Calibration, Camera, Facts } from "./api";
import type { Grid } from "./npy";

const STRAY = 0.001; // share of the pixels at either end that colours need not show: depthmap.ranges
const SAMPLE = 1 << 20; // pixels of which the range is taken, at most
const REACH = 0.003; // a point stands for its surroundings, of this share of the longer side: depthmap.known_points
const METRIC = "metric depth";
const INVERSE = "relative inverse depth";

export interface Range {
  low: number;
  high: number;
}
export interface Point {
  x: number;
  y: number;
}

export class Depth {
  readonly width: number;
  readonly height: number;
  /** Inverse depth, larger = nearer; NaN where nothing is known, 0 at infinity. */
  readonly inverse: Float32Array;
  /** The inverse depths that colours span. */
  readonly shown: Range;
  calibration: Calibration | null;

  constructor(
    grid: Grid,
    readonly facts: Facts,
  ) {
    this.width = grid.width;
    this.height = grid.height;
    this.inverse = facts.kind === INVERSE ? grid.values : grid.values.map((value) => (value < 0 ? NaN : 1 / value));
    this.shown = shownRange(this.inverse);
    this.calibration = facts.kind === METRIC ? null : facts.calibration;
  }

  get isMetric(): boolean {
    return this.facts.kind === METRIC;
  }

  /** Are metres known? */
  get inMetres(): boolean {
    return this.isMetric || this.calibration !== null;
  }

  /** Return the camera: that of the picture, or one that sees so many degrees across the width. */
  camera(fov: number | null): Camera {
    if (fov === null) return this.facts.camera;
    const focal = this.width / 2 / Math.tan((fov * Math.PI) / 360);
    return { fx: focal, fy: focal, cx: (this.width - 1) / 2, cy: (this.height - 1) / 2, source: "given" };
  }

  /** Degrees across the width. */
  get fov(): number {
    const { fx, cx } = this.facts.camera;
    return ((Math.atan((cx + 0.5) / fx) + Math.atan((this.width - 0.5 - cx) / fx)) * 180) / Math.PI;
  }

  /** Return metres of an inverse depth: infinite at the horizon, NaN where they are not known. */
  metresOf(inverse: number, fov: number | null = null): number {
    if (this.isMetric) return this.perFocal(fov) / inverse;
    if (!this.calibration) return NaN;
    const there = inverse * this.calibration.scale + this.calibration.shift;
    return there <= 0 ? Infinity : 1 / there;
  }

  /** Return by what another field of view multiplies the metres of a model that measures in focal lengths. */
  private perFocal(fov: number | null): number {
    if (!this.facts.per_focal || fov === null) return 1;
    const { fx, fy } = this.facts.camera;
    return (this.camera(fov).fx * 2) / (fx + fy);
  }

  /** Return distances for 3D of some inverse depths: metres, else the nearest at 1 and the farthest at `ratio`. */
  distances(inverse: Float32Array, ratio: number, fov: number | null): Float32Array {
    if (this.inMetres) return inverse.map((value) => this.metresOf(value, fov));
    const { low, high } = this.shown;
    return inverse.map((value) => {
      const near = high > low ? (value - low) / (high - low) : value === value ? 1 : NaN;
      const clipped = near < 0 ? 0 : near > 1 ? 1 : near;
      return 1 / (1 / ratio + (1 - 1 / ratio) * clipped);
    });
  }

  /** Return the inverse depth of a pixel. */
  at({ x, y }: Point): number {
    return this.inverse[y * this.width + x] ?? NaN;
  }

  /** Return the inverse depth that a marked point stands for: the median around it. */
  around({ x, y }: Point): number {
    const reach = Math.floor(REACH * Math.max(this.width, this.height));
    const found: number[] = [];
    for (let row = Math.max(0, y - reach); row <= Math.min(this.height - 1, y + reach); row++)
      for (let column = Math.max(0, x - reach); column <= Math.min(this.width - 1, x + reach); column++) {
        const value = this.at({ x: column, y: row });
        if (Number.isFinite(value)) found.push(value);
      }
    found.sort((a, b) => a - b);
    const middle = found.length >> 1;
    if (!found.length) return NaN;
    return found.length % 2 ? found[middle]! : (found[middle - 1]! + found[middle]!) / 2;
  }

  /** Return the point in space that a marked point shows, in metres: x right, y up, z towards the viewer. */
  inSpace(point: Point, fov: number | null): [number, number, number] {
    const { fx, fy, cx, cy } = this.camera(fov);
    const z = this.metresOf(this.around(point), fov);
    return [((point.x - cx) / fx) * z, ((cy - point.y) / fy) * z, -z];
  }

  /** Return metres between two marked points; infinite where one of them lies at the horizon. */
  between(from: Point, to: Point, fov: number | null): number {
    const a = this.inSpace(from, fov);
    const b = this.inSpace(to, fov);
    if (a[2] === -Infinity || b[2] === -Infinity) return Infinity;
    return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
  }
}

/** Return the range that colours span: all but a thousandth at either end. Very large maps are sampled. */
export function shownRange(values: Float32Array): Range {
  const stride = Math.ceil(values.length / SAMPLE);
  const taken = stride > 1 ? values.filter((_, at) => at % stride === 0) : values;
  const finite = taken.filter(Number.isFinite).sort();
  if (!finite.length) return { low: NaN, high: NaN };
  const last = finite.length - 1;
  const low = finite[Math.floor(last * STRAY)]!;
  const high = finite[Math.ceil(last * (1 - STRAY))]!;
  return high > low ? { low, high } : { low: finite[0]!, high: finite[last]! };
}
