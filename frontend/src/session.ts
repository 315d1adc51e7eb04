/** What this session holds: the pictures, which of them is on screen, and how things look. Who shows it listens here. */

import type { Model, Outputs, Refusal } from "./api";
import type { Table } from "./colours";
import type { Depth, Point } from "./depth";
import type { Picture } from "./picture";
import type { Step, Wishes } from "./predict";

export interface Known extends Point {
  /** As it was typed; it may be no number yet. */
  metres: string;
}
export interface Pair {
  from: Point;
  to: Point;
}
/** `kept` pictures were restored after a reload: their depth is found when they are looked at. */
export type ItemState = "kept" | "waiting" | "working" | "done" | "failed";

let made = 0;

export class Item {
  state: ItemState = "waiting";
  step: Step = { phase: "sending", share: 0 };
  error: Refusal | null = null;
  depth: Depth | null = null;
  known: Known[] = [];
  far = "";
  pairs: Pair[] = [];
  /** Degrees across the width, where a person chose them. */
  fov: number | null = null;
  request: AbortController | null = null;

  constructor(
    readonly picture: Picture,
    readonly id = `${Date.now().toString(36)}-${made++}`,
  ) {}
}

export interface Look {
  view: "compare" | "3d";
  colours: string;
  ratio: number;
  form: "surface" | "points";
  paint: "picture" | "depth";
  model: string;
}

/** What can change: the list of pictures, the one on screen, its metres, how it looks, the models. */
export type Topic = "items" | "current" | "metres" | "look" | "models";

class Session {
  items: Item[] = [];
  current: Item | null = null;
  look: Look = { view: "compare", colours: "inferno", ratio: 10, form: "surface", paint: "picture", model: "" };
  outputs: Outputs | null = null;
  tables = new Map<string, Table>();
  models: Model[] = [];
  defaultModel = "";
  private readonly listeners = new Map<Topic, (() => void)[]>();

  on(topics: Topic[], listener: () => void): void {
    for (const topic of topics) this.listeners.set(topic, [...(this.listeners.get(topic) ?? []), listener]);
  }

  changed(topic: Topic): void {
    for (const listener of this.listeners.get(topic) ?? []) listener();
  }

  set(look: Partial<Look>): void {
    Object.assign(this.look, look);
    this.changed("look");
  }

  get table(): Table | null {
    return this.tables.get(this.look.colours) ?? null;
  }

  /** Return the depth on screen, if there is one. */
  get depth(): Depth | null {
    return this.current?.depth ?? null;
  }

  show(item: Item | null): void {
    this.current = item;
    this.changed("current");
    this.changed("items");
  }
}

export const session = new Session();

/** Return the options by which the server makes what is on screen. */
export function wishes(item: Item, outputs: string[]): Wishes {
  const { colours, ratio } = session.look;
  const calibrated = item.depth?.calibration ? points(item) : [];
  return {
    model: item.depth?.facts.model ?? session.look.model,
    outputs,
    colours,
    ratio,
    fov: item.fov,
    calibrate: calibrated,
    far: calibrated.length && item.far ? Number(item.far.replace(",", ".")) : null,
  };
}

/** Return the points of known distance as the command line writes them. */
export function points(item: Item): string[] {
  return item.known.map(({ x, y, metres }) => `${x},${y}=${metres.trim().replace(",", ".")}`);
}
