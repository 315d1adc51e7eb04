/** The panel of distances: points whose distance a person knows, and distances between points. */

import { Refusal } from "./api";
import { drawMarks, isMarking, marking, showPending } from "./compare";
import type { Point } from "./depth";
import { byId, iconButton, make } from "./dom";
import { say } from "./live";
import { recalibrate } from "./queue";
import { session, type Item } from "./session";
import { metres, parsed, plural } from "./words";

type Tool = "known" | "measure";

let tool: Tool | null = null;
let first: Point | null = null;
let asked = 0;

const HINTS: Record<Tool, string> = {
  known: "Click a point whose distance you know. Esc ends.",
  measure: "Click two points. Esc ends.",
};

export function startMeasure(): void {
  byId("mark").addEventListener("click", () => use(tool === "known" ? null : "known"));
  byId("measure").addEventListener("click", () => use(tool === "measure" ? null : "measure"));
  byId<HTMLInputElement>("far").addEventListener("change", (event) => {
    if (!session.current) return;
    session.current.far = (event.target as HTMLInputElement).value;
    void calibrate(session.current);
  });
  session.on(["current"], () => {
    use(null);
    draw();
  });
  session.on(["metres"], draw);
  session.on(["look"], () => session.look.view === "3d" && use(null));
}

/** Take up a tool, or put it down. */
export function use(next: Tool | null): void {
  if (next && !session.depth) return;
  if (next === "measure" && !session.depth?.inMetres) {
    say("Metres are not known yet: mark points of known distance first.");
    return;
  }
  if (next === "known" && session.depth?.isMetric) return;
  tool = next;
  first = null;
  showPending(null);
  byId("mark").setAttribute("aria-pressed", String(tool === "known"));
  byId("measure").setAttribute("aria-pressed", String(tool === "measure"));
  if (next && session.look.view !== "compare") session.set({ view: "compare" });
  if (next) marking(next === "known" ? markKnown : markEnd, HINTS[next]);
  else if (isMarking()) marking(null);
}

export function tooling(): Tool | null {
  return tool;
}

function markKnown(point: Point): void {
  const item = session.current;
  if (!item) return;
  item.known.push({ ...point, metres: "" });
  use(null);
  session.changed("metres");
  byId("known").querySelector<HTMLInputElement>("li:last-child input")?.focus();
  say(`Point ${item.known.length} is marked. How far is it, in metres?`);
}

function markEnd(point: Point): void {
  const item = session.current;
  if (!item?.depth) return;
  if (!first) {
    first = point;
    showPending(point);
    say("The first point is marked.");
    return;
  }
  item.pairs.push({ from: first, to: point });
  say(`${metres(item.depth.between(first, point, item.fov))} between the points.`);
  use(null);
  session.changed("metres");
}

/** Ask for metres once every point has its distance and there are enough of them. */
async function calibrate(item: Item): Promise<void> {
  const number = ++asked;
  const known = item.known.map((point) => parsed(point.metres));
  const far = item.far.trim() ? parsed(item.far) : null;
  const ready = known.length >= (far === null ? 2 : 1) && known.every((one) => one > 0) && (far === null || far > 0);
  const { depth } = item;
  if (!depth) return;
  result("");
  try {
    if (ready) await recalibrate(item);
    else depth.calibration = null;
  } catch (error) {
    if (number !== asked) return;
    depth.calibration = null;
    if (error instanceof Refusal) result(`${error.what} ${error.remedy}`, true);
    else throw error;
  }
  if (number !== asked || item !== session.current) return;
  session.changed("metres");
  if (depth.calibration) say(`Metres are known, ${fromWhat(item)}.`);
}

function fromWhat(item: Item): string {
  return `from ${plural(item.known.length, "point")}${item.far.trim() ? " and the farthest" : ""}`;
}

let failed = false;
let drawn = "";

function result(text: string, error = false): void {
  failed = error;
  const box = byId("calibration");
  box.classList.toggle("error", error);
  box.textContent = text;
}

function draw(): void {
  const item = session.current;
  const depth = item?.depth;
  if (!item || !depth) return;
  const own = depth.isMetric;
  byId("known-note").textContent = own
    ? "This model gives metres by itself. There is nothing to calibrate."
    : "Mark two things whose distance from the camera you know, one near and one far. The page then shows metres.";
  byId("far-field").hidden = byId("mark").hidden = own;
  byId<HTMLInputElement>("far").value = item.far;
  const rows = `${item.id} ${item.known.map(({ x, y }) => `${x},${y}`).join(" ")}`;
  if (rows !== drawn) byId("known").replaceChildren(...item.known.map((_, at) => knownRow(item, at)));
  drawn = rows; // rows that stay keep the focus
  if (!failed) result(own || !depth.calibration ? "" : `Metres are known, ${fromWhat(item)}.`);
  byId<HTMLButtonElement>("measure").disabled = !depth.inMetres;
  byId("pair-note").textContent = depth.inMetres
    ? "Click two points: the straight line between them in space."
    : "Metres are not known yet. Mark points of known distance first.";
  byId("pairs").replaceChildren(...item.pairs.map((_, at) => pairRow(item, at)));
  drawMarks();
}

function knownRow(item: Item, at: number): HTMLLIElement {
  const point = item.known[at]!;
  const input = make("input", {
    inputmode: "decimal",
    autocomplete: "off",
    value: point.metres,
    "aria-label": `Distance of point ${at + 1} in metres`,
    placeholder: "distance",
  });
  input.addEventListener("change", () => {
    point.metres = input.value;
    input.setAttribute("aria-invalid", String(!(parsed(input.value) > 0)));
    drawMarks();
    void calibrate(item);
  });
  const remove = () => {
    item.known.splice(at, 1);
    void calibrate(item);
  };
  return make(
    "li",
    {},
    make("span", { class: "number" }, String(at + 1)),
    make("span", { class: "grow muted" }, `${point.x}, ${point.y}`),
    make("span", { class: "unit-field" }, input, make("span", {}, "m")),
    iconButton("close", `Remove point ${at + 1}`, remove),
  );
}

function pairRow(item: Item, at: number): HTMLLIElement {
  const { from, to } = item.pairs[at]!;
  const length = item.depth?.inMetres ? metres(item.depth.between(from, to, item.fov)) : "unknown";
  const remove = () => {
    item.pairs.splice(at, 1);
    session.changed("metres");
  };
  return make(
    "li",
    {},
    make("span", { class: "grow muted" }, `${from.x}, ${from.y} to ${to.x}, ${to.y}`),
    make("b", {}, length),
    iconButton("close", `Remove distance ${at + 1}`, remove),
  );
}
