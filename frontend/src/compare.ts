/** The picture beside its depth: the slider between them, the depth under the cursor, and points that are marked. */

import { paint, paintRamp } from "./colours";
import type { Depth, Point } from "./depth";
import { byId, make, svg } from "./dom";
import { say } from "./live";
import { session } from "./session";
import { digits, metres } from "./words";

const MARGIN = 16; // pixels around the picture, where there is room
const FINE = 0.02; // of the width: one step of the cross

const stage = byId("stage");
const frame = byId("frame");
const divider = byId("divider");
const reading = byId("reading");
const field = byId("cross-field");

let cut = 50;
let cross: Point = { x: 0, y: 0 };
let marked: ((point: Point) => void) | null = null;
let painted: { depth: Depth; colours: string } | null = null;

/** Let the next clicks mark points: each is handed on. Null ends that. */
export function marking(use: ((point: Point) => void) | null, hint = ""): void {
  marked = use;
  frame.classList.toggle("marking", use !== null);
  field.hidden = use === null;
  byId("hint").hidden = use === null;
  byId("hint").textContent = hint;
  if (!use) return;
  const { depth } = session;
  if (depth) moveCross({ x: depth.width >> 1, y: depth.height >> 1 }, false);
  stage.scrollIntoView({ block: "nearest" }); // on a small screen the panel is below
  field.focus({ preventScroll: true });
  say(hint);
}

export function isMarking(): boolean {
  return marked !== null;
}

/** Put the slider at a percentage of the width. */
export function slide(to: number): void {
  cut = Math.min(100, Math.max(0, to));
  frame.style.setProperty("--cut", `${cut}%`);
  divider.setAttribute("aria-valuenow", String(Math.round(cut)));
  divider.setAttribute("aria-valuetext", `${Math.round(cut)} % picture, ${Math.round(100 - cut)} % depth`);
}

/** Move the slider by arrow keys; true when the key was one of its. */
export function slideBy(event: KeyboardEvent): boolean {
  const step = event.shiftKey ? 100 : 5;
  const places: Record<string, number> = {
    ArrowLeft: cut - step,
    ArrowRight: cut + step,
    Home: 0,
    End: 100,
  };
  const place = places[event.key];
  if (place === undefined) return false;
  slide(place);
  return true;
}

/** Say what an inverse depth is, in the units that are known. */
export function valueText(depth: Depth, inverse: number): string {
  if (Number.isNaN(inverse)) return "unknown";
  if (depth.inMetres) return metres(depth.metresOf(inverse, session.current?.fov ?? null));
  return digits(depth.facts.kind === "relative depth" ? 1 / inverse : inverse);
}

export function startCompare(): void {
  slide(50);
  new ResizeObserver(layout).observe(stage);
  session.on(["current"], drawAll);
  session.on(["look"], () => {
    frame.hidden = session.look.view === "3d";
    drawDepth();
    drawMarks();
  });
  session.on(["metres"], () => {
    drawLegend();
    drawMarks();
  });
  frame.addEventListener("pointermove", hover);
  frame.addEventListener("pointerleave", leave);
  frame.addEventListener("pointerdown", press);
  divider.addEventListener("keydown", (event) => {
    if (!slideBy(event)) return;
    event.preventDefault();
    event.stopPropagation();
  });
  field.addEventListener("keydown", steer);
}

/** Return where in a box of the stage's size a picture of this shape fits. */
function layout(): void {
  const size = sizeOf();
  if (!size || !stage.clientWidth) return;
  const margin = stage.clientWidth > 640 ? MARGIN : 0;
  const [width, height] = [stage.clientWidth - 2 * margin, stage.clientHeight - 2 * margin];
  const scale = Math.min(width / size.width, height / size.height);
  const box = { width: size.width * scale, height: size.height * scale };
  Object.assign(frame.style, {
    width: `${box.width}px`,
    height: `${box.height}px`,
    left: `${(stage.clientWidth - box.width) / 2}px`,
    top: `${(stage.clientHeight - box.height) / 2}px`,
  });
  drawMarks();
}

function sizeOf(): { width: number; height: number } | null {
  return session.depth ?? session.current?.picture.image ?? null;
}

function drawAll(): void {
  const item = session.current;
  const canvas = byId<HTMLCanvasElement>("picture");
  const image = item?.picture.image;
  canvas.width = image?.width ?? 1;
  canvas.height = image?.height ?? 1;
  if (image) canvas.getContext("2d")?.drawImage(image, 0, 0);
  canvas.setAttribute("aria-label", `The picture ${item?.picture.name ?? ""}`);
  byId("depth").setAttribute("aria-label", `The depth of ${item?.picture.name ?? "the picture"}`);
  byId("depth").hidden = divider.hidden = !item?.depth;
  leave();
  drawDepth();
  layout();
}

function drawDepth(): void {
  const { depth, table } = session;
  const { colours } = session.look;
  if (!depth || !table || (painted?.depth === depth && painted.colours === colours)) return;
  paint(byId("depth"), depth, table);
  paintRamp(byId("ramp"), table);
  painted = { depth, colours };
  drawLegend();
}

function drawLegend(): void {
  const { depth } = session;
  byId("legend").hidden = !depth;
  if (!depth) return;
  const { low, high } = depth.shown;
  const places = [low, (low + high) / 2, high];
  byId("ends").replaceChildren(...places.map((inverse) => make("span", {}, valueText(depth, inverse))));
  under(null);
}

function under(point: Point | null): void {
  const { depth } = session;
  const box = byId("under");
  const tick = byId("tick");
  tick.hidden = !point || !depth;
  if (!point || !depth) {
    box.replaceChildren(make("span", {}, depth?.inMetres ? "metres, along the view" : "relative, no unit"));
    return;
  }
  const inverse = depth.at(point);
  const { low, high } = depth.shown;
  const place = high > low ? Math.min(1, Math.max(0, (inverse - low) / (high - low))) : 0;
  tick.style.left = `${(place || 0) * 100}%`;
  box.replaceChildren(make("b", {}, valueText(depth, inverse)), make("span", {}, `at ${point.x}, ${point.y}`));
}

/** Return the pixel under a pointer. */
function pixelAt(event: PointerEvent | MouseEvent): Point | null {
  const { depth } = session;
  if (!depth) return null;
  const box = frame.getBoundingClientRect();
  const along = (place: number, length: number) => Math.min(length - 1, Math.max(0, Math.floor(place * length)));
  return {
    x: along((event.clientX - box.left) / box.width, depth.width),
    y: along((event.clientY - box.top) / box.height, depth.height),
  };
}

function hover(event: PointerEvent): void {
  const point = pixelAt(event);
  const { depth } = session;
  if (!point || !depth) return;
  under(point);
  reading.hidden = false;
  reading.textContent = valueText(depth, depth.at(point));
  const box = frame.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  const left = x + reading.offsetWidth + 24 > box.width ? x - reading.offsetWidth - 12 : x + 12;
  const top = y < 40 ? y + 16 : y - 32;
  reading.style.transform = `translate(${left}px, ${top}px)`;
}

function leave(): void {
  reading.hidden = true;
  under(null);
}

function press(event: PointerEvent): void {
  if (event.button !== 0) return;
  const point = pixelAt(event);
  if (marked && point) {
    event.preventDefault();
    marked(point);
    return;
  }
  drag(event);
  frame.setPointerCapture(event.pointerId);
  frame.addEventListener("pointermove", drag);
  const stop = () => frame.removeEventListener("pointermove", drag);
  frame.addEventListener("pointerup", stop, { once: true });
  frame.addEventListener("pointercancel", stop, { once: true });
}

function drag(event: PointerEvent): void {
  const box = frame.getBoundingClientRect();
  slide(((event.clientX - box.left) / box.width) * 100);
}

/** Move the cross by arrow keys, and set a point by Enter. */
function steer(event: KeyboardEvent): void {
  const { depth } = session;
  if (!depth) return;
  const step = event.shiftKey ? 1 : Math.max(1, Math.round(depth.width * FINE));
  const ways: Record<string, [number, number]> = {
    ArrowLeft: [-step, 0],
    ArrowRight: [step, 0],
    ArrowUp: [0, -step],
    ArrowDown: [0, step],
  };
  const way = ways[event.key];
  if (way) moveCross({ x: cross.x + way[0], y: cross.y + way[1] });
  else if (event.key === "Enter" || event.key === " ") marked?.(cross);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function moveCross(to: Point, aloud = true): void {
  const { depth } = session;
  if (!depth) return;
  cross = {
    x: Math.min(depth.width - 1, Math.max(0, to.x)),
    y: Math.min(depth.height - 1, Math.max(0, to.y)),
  };
  Object.assign(byId("cross").style, {
    left: `${((cross.x + 0.5) / depth.width) * 100}%`,
    top: `${((cross.y + 0.5) / depth.height) * 100}%`,
  });
  under(cross);
  if (aloud) say(`${cross.x}, ${cross.y}: ${valueText(depth, depth.at(cross))}`);
}

let pending: Point | null = null;

/** Show a point that waits for its other end. */
export function showPending(point: Point | null): void {
  pending = point;
  drawMarks();
}

/** Draw the points and distances over the picture. */
export function drawMarks(): void {
  const marks = byId<SVGElement>("marks");
  const { current: item, depth } = session;
  if (!item || !depth) {
    marks.replaceChildren();
    return;
  }
  const at = ({ x, y }: Point) => ({
    x: ((x + 0.5) / depth.width) * frame.clientWidth,
    y: ((y + 0.5) / depth.height) * frame.clientHeight,
  });
  const dot = (point: Point, kind = "") => svg("circle", { cx: at(point).x, cy: at(point).y, r: 5, class: kind });
  const text = (point: Point, label: string) => {
    const { x, y } = at(point);
    const left = x > frame.clientWidth - 96; // where there is no room to the right
    return svg("text", { x: left ? x - 10 : x + 10, y: y + 4, "text-anchor": left ? "end" : "start" }, label);
  };
  const over = (a: Point, b: Point, label: string) =>
    svg("text", { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 - 10, "text-anchor": "middle" }, label);
  const known = item.known.flatMap((point, number) => [
    dot(point),
    text(point, `${number + 1}${point.metres ? ` · ${point.metres} m` : ""}`),
  ]);
  const pairs = item.pairs.flatMap(({ from, to }) => {
    const [a, b] = [at(from), at(to)];
    const label = depth.inMetres ? metres(depth.between(from, to, item.fov)) : "";
    return [svg("line", { x1: a.x, y1: a.y, x2: b.x, y2: b.y }), dot(from), dot(to), over(a, b, label)];
  });
  marks.replaceChildren(...pairs, ...known, ...(pending ? [dot(pending, "pending")] : []));
}
