/** The page is put together here. */

import * as api from "./api";
import { takePicture } from "./camera";
import { readTables } from "./colours";
import { startCode } from "./code";
import { startCompare } from "./compare";
import { isOpen } from "./dialog";
import { all, byId, make, segmented } from "./dom";
import { startFiles } from "./files";
import { restored } from "./history";
import { startKeyboard } from "./keyboard";
import { tell } from "./live";
import { startMeasure } from "./measure";
import { importFiles, refreshModels, startModels } from "./models";
import { isModel, Picture, picturesIn } from "./picture";
import { add, again, select as choose } from "./queue";
import { startScene } from "./scene";
import { session } from "./session";
import { startStrip } from "./strip";
import { startTheme } from "./theme";
import { listMaps, startView } from "./view";

const STATUS_EVERY = 15_000; // milliseconds
const select = byId<HTMLSelectElement>("model");

function showPage(): void {
  const page = location.hash === "#models" ? "models" : "depth";
  for (const link of all("[data-page]")) {
    if (link.dataset["page"] === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  byId("page-depth").hidden = page !== "depth";
  byId("page-models").hidden = page !== "models";
  if (page === "models") void refreshModels().catch(lost);
}

/** List the models that can be used at once. */
function listModels(): void {
  const usable = session.models.filter((model) => model.status === "cached" || model.status === "embedded");
  const automatic = make("option", { value: "" }, session.defaultModel ? `${session.defaultModel} (auto)` : "auto");
  select.replaceChildren(automatic, ...usable.map((model) => make("option", { value: model.name }, model.name)));
  if (!usable.some((model) => model.name === session.look.model)) session.look.model = "";
  select.value = session.look.model;
}

function startModelChoice(): void {
  session.on(["models"], listModels);
  let last = session.look.model;
  session.on(["look"], () => {
    select.value = session.look.model;
    if (session.look.model === last) return;
    last = session.look.model;
    if (session.current) again(session.current);
  });
  select.addEventListener("change", () => session.set({ model: select.value }));
}

function startViews(): void {
  const show = segmented<"compare" | "3d">("view", (view) => session.set({ view }));
  session.on(["look", "current"], () => show(session.look.view));
}

async function camera(): Promise<void> {
  const picture = await takePicture();
  if (picture) add([picture]);
}

function startIntake(): void {
  const file = byId<HTMLInputElement>("file");
  for (const one of all("[data-do=choose]")) one.addEventListener("click", () => file.click());
  for (const one of all("[data-do=camera]")) one.addEventListener("click", () => void camera());
  file.addEventListener("change", () => {
    take([...(file.files ?? [])].map((one) => new Picture(one, one.name)));
    file.value = "";
  });
  document.addEventListener("paste", (event) => {
    const pictures = picturesIn(event.clipboardData);
    if (pictures.length) take(pictures);
  });
  startDrops();
}

function startDrops(): void {
  const veil = byId("veil");
  const carriesFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") && !isOpen();
  document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    byId("veil-text").textContent = location.hash === "#models" ? "Drop a file of weights" : "Drop pictures anywhere";
    veil.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) veil.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    veil.hidden = true;
    const weights = [...(event.dataTransfer?.files ?? [])].filter((one) => isModel(one.name));
    if (weights.length) {
      location.hash = "#models";
      void importFiles(weights);
    }
    take(picturesIn(event.dataTransfer));
  });
}

/** Take pictures in that the server would not refuse for their size. */
function take(pictures: Picture[]): void {
  const most = session.outputs?.limits.bytes ?? Infinity;
  const fitting = pictures.filter((picture) => picture.file.size <= most);
  for (const picture of pictures)
    if (picture.file.size > most) tell(`${picture.name} has more bytes than the server takes.`, "error");
  if (!fitting.length) return;
  location.hash = "#depth";
  add(fitting);
}

async function listSamples(): Promise<void> {
  const samples = await api.samples();
  const tiles = samples.map(({ name, title, credit }) => {
    const image = make("img", { src: `/api/samples/${name}`, alt: "", width: 208, height: 156 });
    const use = async () => take([new Picture(await api.sample(name), name)]);
    const text = [make("span", {}, title), make("small", {}, credit)];
    return make("li", {}, make("button", { type: "button", click: () => void use() }, image, ...text));
  });
  byId("samples").replaceChildren(...tiles);
}

/** Say how the server does. */
async function watch(): Promise<void> {
  if (document.hidden) return;
  try {
    const { device, queue } = await api.status();
    byId("offline").hidden = true;
    const ahead = queue.waiting + queue.running;
    byId("state-text").textContent = ahead ? `${ahead} in work` : device ? `Ready on ${device.toUpperCase()}` : "Ready";
    byId("dot").className = "dot good";
  } catch (error) {
    lost(error);
  }
}

function lost(error: unknown): void {
  if (!(error instanceof api.Refusal)) throw error;
  byId("dot").className = "dot bad";
  byId("state-text").textContent = error.status ? "Refused" : "No answer";
  byId("offline").hidden = error.status !== 0;
  if (error.status) tell(`${error.what} ${error.remedy}`, "error");
}

async function begin(): Promise<void> {
  startTheme();
  startCompare();
  startStrip();
  startView();
  startScene();
  startMeasure();
  startFiles();
  startCode();
  startModels();
  startModelChoice();
  startViews();
  startIntake();
  startKeyboard();
  window.addEventListener("hashchange", showPage);
  showPage();
  session.on(["current"], () => void watch());
  setInterval(() => void watch(), STATUS_EVERY);
  const outputs = await api.outputs();
  session.outputs = outputs;
  session.tables = readTables(outputs.colour_maps);
  Object.assign(session.look, { colours: outputs.defaults.colours, ratio: outputs.defaults.ratio });
  listMaps();
  session.changed("look");
  session.changed("current"); // a picture may have come before the colours
  const kept = await restored();
  session.items.unshift(...kept);
  if (kept.length && !session.current) choose(kept[kept.length - 1]!);
  await Promise.all([listSamples(), refreshModels(), watch()]);
}

void begin().catch(lost);
