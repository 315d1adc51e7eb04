/** The picture in 3D: one canvas of WebGL, drawn only when something moved. */

import {
  BufferAttribute,
  BufferGeometry,
  CanvasTexture,
  DoubleSide,
  Group,
  LinearFilter,
  LinearSRGBColorSpace,
  Mesh,
  MeshBasicMaterial,
  NoColorSpace,
  PerspectiveCamera,
  Points,
  PointsMaterial,
  Scene,
  Vector3,
  WebGLRenderer,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import type { Shape } from "./mesh";

const SWAY = 0.07; // radians to either side that the scene follows the mouse
const EASE = 0.12; // share of the way to where the mouse points, at each frame
const TURN = 0.08; // radians for an arrow key
const STEP = 1.12; // nearer or farther, for plus and minus
const ROOM = 1.04; // a little more than the picture is seen at first

export class Viewer3d {
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera();
  private readonly controls: OrbitControls;
  private readonly pivot = new Group();
  private readonly wanted = { x: 0, y: 0 };
  private shown: Mesh | Points | null = null;
  private picture = { fov: 40, aspect: 1 };
  private pending = false;
  /** Does the scene follow the mouse? */
  parallax = true;

  /** @throws Where the browser has no WebGL. */
  constructor(private readonly canvas: HTMLCanvasElement) {
    this.renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true });
    this.renderer.outputColorSpace = LinearSRGBColorSpace; // colours pass through as they are
    this.scene.add(this.pivot);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enableDamping = false;
    this.controls.addEventListener("change", () => this.draw());
    canvas.addEventListener("pointermove", (event) => this.follow(event));
    canvas.addEventListener("pointerleave", () => this.lean(0, 0));
    canvas.addEventListener("keydown", (event) => this.key(event) && event.stopPropagation());
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  /**
   * Show a shape painted with a picture.
   *
   * `fov` is that of the picture's height in degrees; `form` says whether triangles or points are drawn. The view stays as
   * it is unless `reset`.
   */
  show(shape: Shape, paint: HTMLCanvasElement, form: "surface" | "points", fov: number, reset: boolean): void {
    this.clear();
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", new BufferAttribute(shape.positions, 3));
    geometry.setIndex(new BufferAttribute(shape.index, 1));
    if (form === "surface") {
      geometry.setAttribute("uv", new BufferAttribute(shape.uv, 2));
      this.shown = new Mesh(geometry, new MeshBasicMaterial({ map: textureOf(paint), side: DoubleSide }));
    } else {
      geometry.setAttribute("color", new BufferAttribute(coloursOf(shape.uv, paint), 3, true));
      this.shown = new Points(geometry, new PointsMaterial({ vertexColors: true, sizeAttenuation: false }));
    }
    this.shown.frustumCulled = false;
    this.picture = { fov, aspect: paint.width / paint.height };
    this.place(middleOf(shape), reset);
    this.pivot.add(this.shown);
    this.resize();
  }

  /** Look again from where the picture was taken. */
  reset(): void {
    this.camera.position.set(0, 0, 0);
    this.controls.target.copy(this.pivot.position);
    this.lean(0, 0);
    this.controls.update();
    this.draw();
  }

  /** Return what is seen as a PNG. */
  save(): Promise<Blob> {
    this.render();
    return new Promise((resolve, reject) =>
      this.canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The view could not be saved"))), "image/png"),
    );
  }

  private place(depth: number, reset: boolean): void {
    this.pivot.position.set(0, 0, -depth);
    this.shown?.position.set(0, 0, depth);
    Object.assign(this.camera, { near: depth / 1000, far: depth * 1000 });
    Object.assign(this.controls, { minDistance: depth / 50, maxDistance: depth * 20 });
    if (reset) this.reset();
    else this.controls.target.copy(this.pivot.position);
    this.controls.update();
  }

  private clear(): void {
    if (!this.shown) return;
    this.pivot.remove(this.shown);
    this.shown.geometry.dispose();
    const material = this.shown.material as MeshBasicMaterial | PointsMaterial;
    material.map?.dispose();
    material.dispose();
    this.shown = null;
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    const tangent = Math.tan((this.picture.fov * Math.PI) / 360) * ROOM;
    const needed = Math.max(tangent, (tangent * this.picture.aspect) / this.camera.aspect);
    this.camera.fov = (Math.atan(needed) * 360) / Math.PI;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  private follow(event: PointerEvent): void {
    if (event.buttons || event.pointerType !== "mouse") return;
    const box = this.canvas.getBoundingClientRect();
    this.lean(((event.clientX - box.left) / box.width) * 2 - 1, ((event.clientY - box.top) / box.height) * 2 - 1);
  }

  private lean(x: number, y: number): void {
    Object.assign(this.wanted, this.parallax ? { x: y * SWAY, y: x * SWAY } : { x: 0, y: 0 });
    this.draw();
  }

  /** Turn or approach by a key; true when it was one of these. */
  key(event: KeyboardEvent): boolean {
    const turns: Record<string, [number, number]> = {
      ArrowLeft: [-TURN, 0],
      ArrowRight: [TURN, 0],
      ArrowUp: [0, -TURN],
      ArrowDown: [0, TURN],
    };
    const turn = turns[event.key];
    if (turn) this.turn(...turn);
    else if (event.key === "+" || event.key === "=") this.approach(1 / STEP);
    else if (event.key === "-") this.approach(STEP);
    else return false;
    event.preventDefault();
    return true;
  }

  /** Turn around what is looked at: radians to the right and up. */
  turn(across: number, down: number): void {
    const offset = this.camera.position.clone().sub(this.controls.target);
    offset.applyAxisAngle(new Vector3(0, 1, 0), across);
    offset.applyAxisAngle(new Vector3(1, 0, 0), down);
    this.camera.position.copy(this.controls.target).add(offset);
    this.controls.update();
    this.draw();
  }

  private approach(factor: number): void {
    this.camera.position.sub(this.controls.target).multiplyScalar(factor).add(this.controls.target);
    this.controls.update();
    this.draw();
  }

  private draw(): void {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      const left = Math.abs(this.wanted.x - this.pivot.rotation.x) + Math.abs(this.wanted.y - this.pivot.rotation.y);
      this.pivot.rotation.x += (this.wanted.x - this.pivot.rotation.x) * EASE;
      this.pivot.rotation.y += (this.wanted.y - this.pivot.rotation.y) * EASE;
      this.render();
      if (left > 1e-4) this.draw();
    });
  }

  private render(): void {
    if (this.canvas.clientWidth) this.renderer.render(this.scene, this.camera);
  }
}

function textureOf(paint: HTMLCanvasElement): CanvasTexture {
  const texture = new CanvasTexture(paint);
  Object.assign(texture, { flipY: false, colorSpace: NoColorSpace, minFilter: LinearFilter, generateMipmaps: false });
  return texture;
}

function coloursOf(uv: Float32Array, paint: HTMLCanvasElement): Uint8Array {
  const { width, height } = paint;
  const pixels = paint.getContext("2d")!.getImageData(0, 0, width, height).data;
  const out = new Uint8Array((uv.length / 2) * 3);
  for (let at = 0; 2 * at < uv.length; at++) {
    const from = 4 * (Math.floor(uv[2 * at + 1]! * height) * width + Math.floor(uv[2 * at]! * width));
    out.set(pixels.subarray(from, from + 3), 3 * at);
  }
  return out;
}

/** Return the median distance of a shape. */
function middleOf({ positions, index }: Shape): number {
  const found: number[] = [];
  const stride = Math.max(1, Math.floor(index.length / 5000));
  for (let at = 0; at < index.length; at += stride) found.push(-positions[3 * index[at]! + 2]!);
  found.sort((a, b) => a - b);
  return found[found.length >> 1] ?? 1;
}
