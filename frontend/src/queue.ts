/** Pictures wait here for their depth: one is with the server at a time. */

import { Refusal } from "./api";
import { Depth } from "./depth";
import { forget, keep } from "./history";
import { say } from "./live";
import { readNpy } from "./npy";
import { Picture } from "./picture";
import { predict } from "./predict";
import { Item, points, session } from "./session";

const AGAIN = 5; // seconds until a busy server is asked again, if it does not say

let running: Item | null = null;

/** Take pictures in; the first of them comes on screen. */
export function add(pictures: Picture[]): void {
  const items = pictures.map((picture) => new Item(picture));
  session.items.push(...items);
  for (const item of items) void keep(item);
  if (items[0]) session.show(items[0]);
  void next();
}

/** Find the depth of a picture, again or for the first time; those that wait already come after it. */
export function again(item: Item): void {
  if (item === running) item.request?.abort();
  item.state = "waiting";
  item.error = null;
  session.changed("items");
  session.changed("current");
  void next();
}

/** Stop what is done for a picture. */
export function cancel(item: Item): void {
  item.request?.abort();
  if (item.state === "waiting") stopped(item);
}

export function remove(item: Item): void {
  cancel(item);
  const at = session.items.indexOf(item);
  session.items.splice(at, 1);
  void forget(item);
  if (session.current === item) select(session.items[at] ?? session.items[at - 1] ?? null);
  else session.changed("items");
}

export function select(item: Item | null): void {
  if (item?.state === "kept") item.state = "waiting";
  session.show(item);
  void next();
}

/** Return how many pictures come before one. */
export function before(item: Item): number {
  const waiting = session.items.filter((other) => other.state === "waiting" && other !== session.current);
  return (running ? 1 : 0) + (item === session.current ? 0 : Math.max(0, waiting.indexOf(item)));
}

function stopped(item: Item): void {
  item.state = item.depth ? "done" : "failed";
  item.error = item.depth ? null : new Refusal(0, "Cancelled", "This was cancelled.", "Try again when you want its depth.");
  session.changed("items");
  if (item === session.current) session.changed("current");
}

async function next(): Promise<void> {
  if (running) return;
  const waiting = session.items.filter((item) => item.state === "waiting");
  const item = waiting.find((one) => one === session.current) ?? waiting[0];
  if (!item) return;
  running = item;
  const wait = await run(item);
  running = null;
  if (wait) setTimeout(() => void next(), wait * 1000);
  else void next();
}

/** Find the depth of one picture; return the seconds to wait where the server is busy. */
async function run(item: Item): Promise<number> {
  const request = new AbortController();
  Object.assign(item, { state: "working", error: null, request });
  session.changed("items");
  const readable = item.picture.image !== null || (await item.picture.read());
  if (item === session.current) session.changed("current");
  try {
    await find(item, request.signal);
    if (!readable) await preview(item);
    item.state = "done";
    say(`The depth of ${item.picture.name} is found.`);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") {
      if (item.state === "working") stopped(item);
      return 0;
    }
    if (error instanceof Refusal && error.status === 503) {
      item.state = "waiting";
      return error.retryAfter || AGAIN;
    }
    item.state = "failed";
    item.error = error instanceof Refusal ? error : new Refusal(0, "Error", String(error), "Try again.");
    say(`${item.picture.name}: ${item.error.what}`);
  } finally {
    item.request = null;
    session.changed("items");
    if (item === session.current) session.changed("current");
  }
  return 0;
}

async function find(item: Item, signal: AbortSignal): Promise<void> {
  const wanted = { model: session.look.model, outputs: ["npy"] };
  const step = (now: Item["step"]) => {
    item.step = now;
    session.changed("items");
  };
  const answer = await predict(item.picture, wanted, "application/x-npy", step, signal);
  if (!answer.facts) throw new Refusal(200, "NoFacts", "The answer does not say what its numbers mean.", "Update the server.");
  item.depth = new Depth(readNpy(answer.bytes), answer.facts);
  item.pairs = item.depth.isMetric ? item.pairs : [];
  if (points(item).length) await recalibrate(item);
}

/**
 * Let the server find metres from the points of known distance: it has the rules, and says what is wrong with a point.
 *
 * @throws Refusal Where the points contradict the map or each other.
 */
export async function recalibrate(item: Item): Promise<void> {
  const { depth } = item;
  if (!depth || depth.isMetric) return;
  const far = item.far.trim() ? Number(item.far.replace(",", ".")) : null;
  const wanted = { model: depth.facts.model, calibrate: points(item), far };
  const answer = await predict(item.picture, wanted, "application/json");
  const said = JSON.parse(new TextDecoder().decode(answer.bytes)) as { depth: { calibration: Depth["calibration"] } };
  depth.calibration = said.depth.calibration;
}

/** Show a picture whose format the browser does not know: the server's pair of picture and depth has it on the left. */
async function preview(item: Item): Promise<void> {
  const wanted = { model: item.depth?.facts.model ?? "", outputs: ["side-by-side"] };
  const { bytes } = await predict(item.picture, wanted, "*/*");
  const both = await createImageBitmap(new Blob([bytes]));
  item.picture.image = await createImageBitmap(both, 0, 0, both.width / 2, both.height);
}
