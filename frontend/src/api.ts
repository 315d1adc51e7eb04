/** What the server answers: the types of its replies, and how they are asked for. */

export interface Camera {
  fx: number;
  fy: number;
  cx: number;
  cy: number;
  source: string;
}
export interface Calibration {
  scale: number;
  shift: number;
  source: string;
}
export interface Facts {
  software: string;
  kind: string;
  nearest: string;
  units: string;
  per_focal: boolean;
  minimum: number | null;
  maximum: number | null;
  calibration: Calibration | null;
  camera: Camera;
  model: string;
  engine: string;
  source: string;
  picture: { name: string; width: number; height: number };
}
export interface Output {
  name: string;
  about: string;
  suffix: string;
  media_type: string;
  needs_picture: boolean;
  available: boolean;
  install: string | null;
}
export interface Outputs {
  outputs: Output[];
  colour_maps: Record<string, string>;
  defaults: { colours: string; ratio: number; eyes: number; outputs: string[] };
  limits: { bytes: number; pixels: number };
}
export interface Status {
  version: string;
  device: string | null;
  loaded: { model: string; engine: string; bytes: number; default: boolean }[];
  queue: { waiting: number; running: number; limit: number };
  health: string;
}
export interface Model {
  name: string;
  slug: string;
  status: "cached" | "embedded" | "available" | "incomplete";
  formats: string[];
  size_mb: number;
  download_mb: number;
  pinned: boolean;
  parameters: number;
  licence: string;
  about: string;
  group: string;
  kind: string;
  terms: string;
  short: boolean;
  recommended: boolean;
  memory_mb?: number | null;
  compiled?: boolean;
  can_default?: boolean;
}
export interface Models {
  models: Model[];
  default_model: string | null;
  default_model_reason: string;
  default_model_state: string;
  disk: { used_bytes: number; budget_bytes: number | null; free_bytes: number; cache_dir: string };
  health: string;
}
export type JobState = "waiting" | "running" | "paused" | "done" | "failed" | "cancelled";
export interface Job {
  id: string;
  model: string;
  slug: string;
  state: JobState;
  phase: string;
  done_bytes: number;
  total_bytes: number;
  rate_bytes: number;
  seconds_left: number | null;
  error: { error: string; message: string; remedy: string } | null;
}
export interface Sample {
  name: string;
  title: string;
  credit: string;
}

/** An answer that is no success, in the server's words; status 0 where there was none. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    readonly what: string,
    readonly remedy: string,
    readonly retryAfter = 0,
  ) {
    super(what);
  }
}

const GONE = new Refusal(0, "NoServer", "The server does not answer.", "Start it again: depthmap serve.");

/** Return what a reply that is no success says. */
export function refusal(status: number, text: string, retryAfter: string | null): Refusal {
  if (!status) return GONE;
  const wait = Number(retryAfter ?? 0) || 0;
  try {
    const said = JSON.parse(text) as { error?: string; message?: string; remedy?: string };
    const remedy = said.remedy ?? "";
    const what = (said.message ?? "").replace(remedy, "").trim();
    return new Refusal(status, said.error ?? "", what || `The server answered ${status}.`, remedy, wait);
  } catch {
    return new Refusal(status, "", `The server answered ${status}.`, "", wait);
  }
}

async function asked(path: string, options: RequestInit = {}): Promise<Response> {
  let reply: Response;
  try {
    reply = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw GONE;
  }
  if (!reply.ok) throw refusal(reply.status, await reply.text(), reply.headers.get("Retry-After"));
  return reply;
}

async function json<T>(path: string, options: RequestInit = {}): Promise<T> {
  const reply = await asked(path, { ...options, headers: { Accept: "application/json", ...options.headers } });
  return (await reply.json()) as T;
}

function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  const said = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  return json<T>(path, { method, ...said });
}

const named = (name: string) => `/api/models/${encodeURIComponent(name)}`;

export const outputs = () => json<Outputs>("/api/outputs");
export const status = () => json<Status>("/api/status");
export const samples = async () => (await json<{ samples: Sample[] }>("/api/samples")).samples;
export const sample = async (name: string) => (await asked(`/api/samples/${encodeURIComponent(name)}`)).blob();
export const models = () => json<Models>("/api/models");

export const verify = (name: string) => send<{ damaged: number }>("POST", `${named(name)}/verify`);
export const repair = (name: string) => send("POST", `${named(name)}/repair`);
export const compile = (name: string) => send("POST", `${named(name)}/compile`);
export const pin = (name: string, pinned: boolean) => send("POST", `${named(name)}/pin`, { pinned });
export const remove = (name: string) => send("DELETE", named(name), { confirm: true });
/** Import a file of weights under its own name without the ending. */
export function importModel(file: File): Promise<{ model: string }> {
  const name = file.name.replace(/\.[^.]*$/, "").replace(/[^\w-]+/g, "_");
  return json(`/api/models/import?${new URLSearchParams({ name })}`, {
    method: "POST",
    body: file,
    headers: { "Content-Type": "application/octet-stream" },
  });
}

export const downloads = async () => (await json<{ downloads: Job[] }>("/api/downloads")).downloads;
const job = async (reply: Promise<{ download: Job }>) => (await reply).download;
export const download = (model: string, accept: boolean) =>
  job(send("POST", "/api/downloads", { model, accept_licence: accept }));
const at = (id: string) => `/api/downloads/${encodeURIComponent(id)}`;
export const pause = (id: string) => job(send("POST", `${at(id)}/pause`));
export const resume = (id: string) => job(send("POST", `${at(id)}/resume`));
export const cancel = (id: string) => send("DELETE", at(id));
