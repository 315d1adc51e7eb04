/** The page of models: what is here, what could be, and how much room it takes. */

import * as api from "./api";
import { Refusal, type Job, type Model, type Models } from "./api";
import { confirm } from "./dialog";
import { button, byId, icon, iconButton, make, segmented } from "./dom";
import { Jobs } from "./jobs";
import { say, tell } from "./live";
import { session } from "./session";
import { bytes, plural, seconds } from "./words";

type Which = "short" | "here" | "all";

const MB = 1e6;
const GIVES: Record<string, string> = {
  "relative inverse depth": "near and far",
  "metric depth": "metres",
  "relative depth": "proportions",
};
const HEALTH: Record<string, string> = {
  good: "The cache is in order.",
  large: "The cache is above 5 GB.",
  cluttered: "The cache has many files.",
};
const PHASES: Record<string, string> = {
  starting: "Starting",
  verifying: "Verifying",
  converting: "Converting",
  compiling: "Compiling",
};

let answer: Models | null = null;
let which: Which = "short";
const opened = new Set<string>();
const busy = new Map<string, string>();
const jobs = new Jobs(jobChanged);
const showWhich = segmented<Which>("which", (chosen) => {
  which = chosen;
  showWhich(chosen);
  draw();
});

export function startModels(): void {
  byId("import").addEventListener("click", () => byId<HTMLInputElement>("model-file").click());
  byId<HTMLInputElement>("model-file").addEventListener("change", (event) => {
    const input = event.target as HTMLInputElement;
    void importFiles([...(input.files ?? [])]);
    input.value = "";
  });
}

/** Ask the server what models there are, and what is being downloaded. */
export async function refreshModels(): Promise<void> {
  answer = await api.models();
  session.models = answer.models;
  session.defaultModel = answer.default_model ?? "";
  session.changed("models");
  await jobs.refresh();
  draw();
}

export async function importFiles(files: File[]): Promise<void> {
  for (const file of files) {
    result(`Importing ${file.name}, ${bytes(file.size)}.`);
    await attempt("import", "", async () => {
      await api.importModel(file);
      result(`${file.name} is imported and verified.`);
    });
  }
}

function jobChanged(job: Job): void {
  if (job.state === "done") {
    say(`${job.model} is downloaded and ready.`);
    opened.delete(job.slug);
    void refreshModels();
    return;
  }
  if (job.state === "failed") say(`The download of ${job.model} failed.`);
  drawRow(job.slug);
}

function result(text: string, error = false): void {
  byId("models-result").classList.toggle("error", error);
  byId("models-result").textContent = text;
}

/** Do something to a model, say how it ended, and show what there is then. */
async function attempt(slug: string, doing: string, work: () => Promise<unknown>, done = ""): Promise<void> {
  busy.set(slug, doing);
  drawRow(slug);
  try {
    await work();
    if (done) tell(done);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    result("");
    tell(`${error.what} ${error.remedy}`.trim(), "error");
  } finally {
    busy.delete(slug);
    await refreshModels().catch(() => undefined);
  }
}

async function download(model: Model): Promise<void> {
  let accept = false;
  if (model.terms) {
    const text = [
      make("p", {}, `${model.name} is under ${model.terms}: ${model.licence}.`),
      make("p", { class: "note" }, "Downloading it means that you accept this licence."),
    ];
    accept = await confirm("A licence to accept", text, "Accept and download");
    if (!accept) return;
  }
  try {
    await jobs.start(model.name, accept);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    tell(`${error.what} ${error.remedy}`.trim(), "error");
  }
}

async function removeModel(model: Model): Promise<void> {
  const text = [`Its files, ${bytes(model.size_mb * MB)}, are removed from the cache.`];
  if (model.download_mb) text.push(`To have it again is a download of ${bytes(model.download_mb * MB)}.`);
  if (!(await confirm(`Delete ${model.name}?`, text, "Delete", true))) return;
  await attempt(model.slug, "Deleting", () => api.remove(model.name), `${model.name} is deleted.`);
}

function isHere(model: Model): boolean {
  return model.status !== "available";
}

/** What is here comes first, then what is recommended; else the order is that of the catalogue. */
function rank(model: Model): number {
  if (model.name === inUse()) return 0;
  return isHere(model) ? 1 : model.recommended ? 2 : 3;
}

function draw(): void {
  if (!answer) return;
  drawDisk(answer);
  const here = answer.models.filter(isHere).length;
  byId("models-lead").textContent = `${here} on this machine, ${answer.models.length - here} more to download.`;
  const shown = answer.models.filter((model) => {
    if (which === "here") return isHere(model);
    return which === "all" || model.short || isHere(model) || Jobs.isActive(jobs.bySlug.get(model.slug));
  });
  const families = new Map<string, Model[]>();
  for (const model of shown.sort((a, b) => rank(a) - rank(b))) {
    const family = model.group || "Your own";
    families.set(family, [...(families.get(family) ?? []), model]);
  }
  byId("groups").replaceChildren(...[...families].map(([name, models]) => family(name, models)));
}

function drawDisk({ disk, health }: Models): void {
  const budget = disk.budget_bytes ?? disk.used_bytes + disk.free_bytes;
  const share = budget ? Math.min(100, (disk.used_bytes / budget) * 100) : 0;
  byId("disk-used").textContent = `${bytes(disk.used_bytes)} of models`;
  const limit = disk.budget_bytes === null ? "" : `, ${bytes(disk.budget_bytes)} allowed`;
  byId("disk-free").textContent = `${bytes(disk.free_bytes)} free on the disk${limit}`;
  byId("disk-place").textContent = disk.cache_dir;
  byId("disk-health").textContent = HEALTH[health] ?? `Health: ${health}`;
  byId("disk-fill").style.width = `${Math.max(share, disk.used_bytes ? 0.5 : 0)}%`;
  const bar = byId("disk-bar");
  bar.setAttribute("aria-valuenow", String(Math.round(share)));
  bar.setAttribute("aria-valuetext", `${byId("disk-used").textContent}, ${byId("disk-free").textContent}`);
}

function family(name: string, models: Model[]): HTMLElement {
  return make(
    "section",
    { class: "family" },
    make("header", {}, make("h2", {}, name)),
    make("ul", {}, ...models.map((model) => row(model))),
  );
}

function drawRow(slug: string): void {
  const old = document.querySelector<HTMLElement>(`[data-slug="${CSS.escape(slug)}"]`);
  const model = answer?.models.find((one) => one.slug === slug);
  if (!old || !model) return;
  const focused = old.contains(document.activeElement) ? document.activeElement?.getAttribute("aria-label") : null;
  const now = row(model);
  old.replaceWith(now);
  if (focused) now.querySelector<HTMLElement>(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
}

function row(model: Model): HTMLLIElement {
  const job = jobs.bySlug.get(model.slug);
  const open = opened.has(model.slug);
  const size = isHere(model) ? model.size_mb : model.download_mb;
  const toggle = () => {
    if (open) opened.delete(model.slug);
    else opened.add(model.slug);
    drawRow(model.slug);
  };
  const line = make(
    "div",
    { class: "model-line" },
    make("div", {}, make("div", { class: "model-name" }, model.name, ...tags(model)), make("p", { class: "model-about" }, model.about)),
    make("div", { class: "model-cell" }, make("small", {}, "gives "), GIVES[model.kind] ?? "unknown"),
    make("div", { class: "model-cell size" }, ...(size ? [make("small", {}, isHere(model) ? "on disk " : "download "), bytes(size * MB)] : [])),
    make(
      "div",
      { class: "model-do" },
      mainAct(model, job),
      iconButton("more", `More about ${model.name}`, toggle, { "aria-expanded": String(open) }),
    ),
  );
  const item = make("li", { class: "model", "data-slug": model.slug, "data-status": model.status }, line);
  if (job && job.state !== "done") item.append(jobLine(job));
  if (open) item.append(more(model));
  return item;
}

function tags(model: Model): HTMLElement[] {
  const tag = (text: string, kind = "") => make("span", { class: `tag ${kind}` }, text);
  return [
    ...(model.name === inUse() ? [tag("in use", "accent")] : []),
    ...(model.recommended && !isHere(model) ? [tag("recommended", "accent")] : []),
    ...(model.status === "embedded" ? [tag("comes with depthmap")] : []),
    ...(model.status === "incomplete" ? [tag("incomplete", "warn")] : []),
    ...(model.pinned ? [tag("pinned")] : []),
    ...(model.terms ? [tag(model.terms, "warn")] : []),
  ];
}

function mainAct(model: Model, job: Job | undefined): HTMLElement | string {
  const doing = busy.get(model.slug);
  if (doing) return make("span", { class: "note" }, doing);
  if (Jobs.isActive(job)) return "";
  if (model.status === "available")
    return button("Download", () => void download(model), { "aria-label": `Download ${model.name}` });
  if (model.status === "incomplete")
    return button("Repair", () => void mend(model), { "aria-label": `Repair ${model.name}` });
  if (model.name === inUse()) return "";
  return button("Use", () => useModel(model), { "aria-label": `Use ${model.name}` });
}

/** Return the model that pictures use. */
function inUse(): string {
  return session.look.model || session.defaultModel;
}

function useModel(model: Model): void {
  session.set({ model: model.name });
  location.hash = "#depth";
  tell(`Pictures now use ${model.name}.`);
}

function jobLine(job: Job): HTMLElement {
  const share = job.total_bytes ? job.done_bytes / job.total_bytes : 0;
  const bar = make("span");
  bar.style.width = `${share * 100}%`;
  const state = make("span", { class: job.state === "failed" ? "error" : "" }, jobText(job));
  const acts = make("span", { class: "row" });
  const name = (verb: string) => ({ "aria-label": `${verb} the download of ${job.model}`, class: "button quiet" });
  if (job.state === "running" || job.state === "waiting") acts.append(button("Pause", () => void tried(jobs.pause(job)), name("Pause")));
  if (job.state === "paused") acts.append(button("Resume", () => void tried(jobs.resume(job)), name("Resume")));
  if (job.state === "failed") acts.append(button("Try again", () => void tried(jobs.resume(job)), name("Try again")));
  acts.append(button(job.state === "failed" ? "Dismiss" : "Cancel", () => void tried(jobs.cancel(job)), name("Cancel")));
  const meter = make(
    "span",
    {
      class: "track",
      role: "progressbar",
      "aria-label": `Download of ${job.model}`,
      "aria-valuemin": 0,
      "aria-valuemax": 100,
      "aria-valuenow": Math.round(share * 100),
    },
    bar,
  );
  return make("div", { class: "model-job", "data-state": job.state }, meter, state, acts);
}

async function tried(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    tell(`${error.what} ${error.remedy}`.trim(), "error");
    await refreshModels().catch(() => undefined);
  }
}

export function jobText(job: Job): string {
  const size = job.total_bytes ? `${bytes(job.done_bytes)} of ${bytes(job.total_bytes)}` : bytes(job.done_bytes);
  if (job.state === "failed") return `${job.error?.message ?? "The download failed."}`;
  if (job.state === "waiting") return "Waiting";
  if (job.state === "paused") return `Paused at ${size}`;
  const phase = PHASES[job.phase];
  if (phase) return phase;
  const left = job.seconds_left === null ? "" : `, ${seconds(job.seconds_left)} left`;
  return job.rate_bytes ? `${size}, ${bytes(job.rate_bytes)} a second${left}` : size;
}

function more(model: Model): HTMLElement {
  const facts: [string, string][] = [
    ["Licence", model.licence],
    ["Parameters", model.parameters ? `${(model.parameters / 1e6).toFixed(1)} million` : "unknown"],
    ["Memory to run", model.memory_mb ? bytes(model.memory_mb * MB) : "unknown"],
    ["Files", model.formats.length ? model.formats.join(", ") : model.status === "embedded" ? "in the package" : "none yet"],
  ];
  const list = facts.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]);
  return make("div", { class: "model-more" }, make("dl", { class: "facts" }, ...list), acts(model));
}

async function verified(name: string): Promise<void> {
  const { damaged } = await api.verify(name);
  if (damaged) tell(`${plural(damaged, "file")} of ${name} ${damaged === 1 ? "is" : "are"} damaged. Repair it.`, "error");
  else tell(`Every byte of ${name} is as it should be.`);
}

function mend(model: Model): Promise<void> {
  return attempt(model.slug, "Repairing", () => api.repair(model.name), `${model.name} is whole.`);
}

function acts(model: Model): HTMLElement {
  const { name, slug, pinned } = model;
  const box = make("div", { class: "row" });
  if (!model.formats.length) return box;
  const format = model.formats.find((one) => one === "pt" || one === "h5") ?? "pt";
  const check = () => attempt(slug, "Verifying", () => verified(name));
  const compile = () => attempt(slug, "Compiling", () => api.compile(name), `${name} is compiled.`);
  const pin = () => attempt(slug, "", () => api.pin(name, !pinned), pinned ? `${name} may go.` : `${name} stays.`);
  box.append(
    button("Verify", () => void check(), { title: "Read and compare every byte" }),
    button("Repair", () => void mend(model), { title: "Fetch again what is damaged" }),
    ...(model.compiled === false ? [button("Compile", () => void compile(), { title: "Make it start faster" })] : []),
    button(pinned ? "Unpin" : "Pin", () => void pin(), { title: "A pinned model is never removed to make room" }, "pin"),
    make("a", { class: "button", href: `/api/models/${encodeURIComponent(name)}/export?format=${format}`, download: "" }, icon("download"), "Export"),
    button("Delete", () => void removeModel(model), { class: "button danger" }),
  );
  return box;
}
