/** 3D on the page: its settings, and when the shape is made anew. WebGL's code is loaded when it is first looked at. */

import { paint } from "./colours";
import { byId, make, saveAs, segmented } from "./dom";
import { say, tell } from "./live";
import { points, surface, type Shape } from "./mesh";
import { session, type Item } from "./session";
import type { Viewer3d } from "./viewer3d";
import { digits } from "./words";

const LONGEST = 512; // vertices along the longer side: files have up to 1000

let viewer: Viewer3d | null = null;
let starting: Promise<Viewer3d | null> | null = null;
let shape: { key: string; made: Shape } | null = null;
let shownItem: Item | null = null;

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const fov = byId<HTMLInputElement>("fov");
const ratio = byId<HTMLInputElement>("ratio");
const parallax = byId<HTMLInputElement>("parallax");

export function startScene(): void {
  const showForm = segmented<"surface" | "points">("form", (form) => session.set({ form }));
  const showPaint = segmented<"picture" | "depth">("paint", (paint) => session.set({ paint }));
  parallax.checked = !calm.matches;
  fov.addEventListener("input", () => {
    if (session.current) session.current.fov = Number(fov.value);
    session.changed("metres");
  });
  ratio.addEventListener("input", () => session.set({ ratio: Number(ratio.value) }));
  parallax.addEventListener("change", () => viewer && (viewer.parallax = parallax.checked));
  byId("reset").addEventListener("click", resetScene);
  byId("save-view").addEventListener("click", () => void saveView());
  session.on(["current", "look", "metres"], () => {
    showForm(session.look.form);
    showPaint(session.look.paint);
    drawSoon();
  });
}

export function resetScene(): void {
  viewer?.reset();
  if (session.current) session.current.fov = null;
  session.changed("metres");
}

export function sceneKey(event: KeyboardEvent): boolean {
  if (session.look.view !== "3d" || !viewer) return false;
  return viewer.key(event);
}

async function saveView(): Promise<void> {
  if (!viewer || !session.current) return;
  saveAs(await viewer.save(), `${session.current.picture.stem}_view.png`);
  say("The view is saved.");
}

/** Load three.js and start WebGL, once; null where the browser has none. */
function started(): Promise<Viewer3d | null> {
  starting ??= import("./viewer3d").then(({ Viewer3d }) => {
    try {
      viewer = new Viewer3d(byId("scene"));
      viewer.parallax = parallax.checked;
    } catch {
      tell("3D needs WebGL, which this browser does not offer or has turned off.", "error");
    }
    return viewer;
  });
  return starting;
}

let due = false;

/** Draw in the next frame: a slider that is dragged asks more often than a shape is made. */
function drawSoon(): void {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    void draw();
  });
}

async function draw(): Promise<void> {
  const { depth, current: item, look } = session;
  const inSpace = look.view === "3d";
  byId("scene").hidden = !inSpace;
  byId("settings-3d").hidden = !inSpace;
  if (!depth || !item || !inSpace) return;
  showSettings();
  const view = await started();
  if (!view) {
    session.set({ view: "compare" });
    return;
  }
  if (depth !== session.depth) return;
  const key = [item.id, look.form, depth.inMetres ? JSON.stringify(depth.calibration) : look.ratio, item.fov].join(" ");
  const anew = item !== shownItem;
  if (shape?.key !== key || anew) {
    const make = look.form === "surface" ? surface : points;
    shape = { key, made: make(depth, LONGEST, look.ratio, item.fov) };
  }
  shownItem = item;
  const { fy, cy } = depth.camera(item.fov);
  const height = ((Math.atan((cy + 0.5) / fy) + Math.atan((depth.height - 0.5 - cy) / fy)) * 180) / Math.PI;
  view.show(shape.made, painted(), look.form, height, anew);
  const count = shape.made.index.length / (look.form === "surface" ? 3 : 1);
  const unit = look.form === "surface" ? "triangles" : "points";
  byId("scene-note").textContent = `${count.toLocaleString("en")} ${unit}, cut where one thing hides another.`;
  byId("scene").dataset["count"] = String(count);
}

function showSettings(): void {
  const { depth, current: item, look } = session;
  if (!depth || !item) return;
  const degrees = item.fov ?? depth.fov;
  fov.value = String(degrees);
  byId("fov-out").textContent = `${Math.round(degrees)}°`;
  ratio.value = String(look.ratio);
  byId("ratio-out").textContent = `${digits(look.ratio)} ×`;
  byId("ratio-field").hidden = depth.inMetres; // metres need no assumption
}

/** Return what the shape is painted with: the picture, or depth in colours. */
function painted(): HTMLCanvasElement {
  const { depth, table, look, current: item } = session;
  const canvas = make("canvas");
  const image = item?.picture.image;
  if (image && look.paint === "picture") {
    Object.assign(canvas, { width: image.width, height: image.height });
    canvas.getContext("2d")?.drawImage(image, 0, 0);
  } else if (depth && table) paint(canvas, depth, table);
  return canvas;
}
