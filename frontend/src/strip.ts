/** The strip of this session's pictures, and what the stage says while one of them is in work. */

import { byId, button, icon, iconButton, make } from "./dom";
import { drawThumb } from "./picture";
import { again, before, cancel, remove, select } from "./queue";
import { session, type Item } from "./session";
import { plural } from "./words";

const thumbs = new Map<string, HTMLCanvasElement>();

export function startStrip(): void {
  session.on(["items"], () => {
    drawStrip();
    drawCover();
  });
  session.on(["current"], drawPage);
}

function drawPage(): void {
  const item = session.current;
  byId("empty").hidden = session.items.length > 0;
  byId("bench").hidden = session.items.length === 0;
  byId("panel").hidden = !item?.depth;
  const name = byId("name");
  const size = item?.depth && ` ${item.depth.width} × ${item.depth.height}`;
  name.replaceChildren(item?.picture.name ?? "", make("span", { class: "muted" }, size ?? ""));
  name.title = item?.picture.name ?? "";
  document.title = item ? `${item.picture.name} – depthmap` : "depthmap";
  drawStrip();
  drawCover();
}

function thumbOf(item: Item): HTMLCanvasElement {
  const canvas = thumbs.get(item.id) ?? make("canvas", { "aria-hidden": "true" });
  if (item.picture.image && !thumbs.has(item.id)) {
    drawThumb(canvas, item.picture.image);
    thumbs.set(item.id, canvas);
  } else if (!item.picture.image) void item.picture.read().then((read) => read && session.changed("items"));
  return canvas;
}

const WORDS: Record<Item["state"], string> = {
  kept: "",
  waiting: ", waits",
  working: ", in work",
  done: "",
  failed: ", failed",
};

function drawStrip(): void {
  const strip = byId("strip");
  const focused = document.activeElement?.getAttribute("data-item");
  strip.replaceChildren(...session.items.map(tile));
  if (focused) strip.querySelector<HTMLElement>(`[data-item="${focused}"]`)?.focus();
}

function tile(item: Item): HTMLLIElement {
  const thumb = make(
    "button",
    {
      type: "button",
      class: "thumb",
      title: item.picture.name,
      "data-item": item.id,
      "data-state": item.state,
      "aria-label": item.picture.name + WORDS[item.state],
      "aria-current": String(item === session.current),
      click: () => select(item),
    },
    thumbOf(item),
  );
  if (item.state === "working") thumb.append(track(item));
  if (item.state === "failed") thumb.append(make("span", { class: "flag", "aria-hidden": "true" }, "!"));
  const close = make(
    "button",
    { type: "button", class: "remove", "aria-label": `Remove ${item.picture.name}`, click: () => remove(item) },
    icon("close"),
  );
  return make("li", {}, thumb, close);
}

function track(item: Item): HTMLElement {
  const busy = item.step.phase === "working" || !item.step.share;
  const bar = make("span");
  if (!busy) bar.style.width = `${item.step.share * 100}%`;
  return make("span", { class: `track${busy ? " busy" : ""}` }, bar);
}

function stepText(item: Item): string {
  const ahead = before(item);
  if (item.state === "waiting") return ahead ? `Waiting: ${plural(ahead, "picture")} before it` : "Waiting for the server";
  const share = item.step.share > 0 && item.step.share < 1 ? ` ${Math.round(item.step.share * 100)} %` : "";
  return { sending: `Sending${share}`, working: "Finding depth", receiving: `Receiving${share}` }[item.step.phase];
}

let covered = "";

/** Say over the stage what happens, or what went wrong. */
function drawCover(): void {
  const item = session.current;
  const cover = byId("cover");
  const key = item ? `${item.id} ${item.state} ${item.error?.what ?? ""}` : "";
  cover.hidden = !item || item.state === "done" || item.state === "kept";
  if (!item || cover.hidden) {
    covered = "";
    return;
  }
  if (key !== covered) cover.replaceChildren(item.state === "failed" ? failure(item) : progress(item));
  covered = key;
  const text = cover.querySelector(".step");
  if (text) text.textContent = stepText(item);
  cover.querySelector(".track")?.replaceWith(track(item));
}

function progress(item: Item): HTMLElement {
  return make(
    "div",
    { class: "card" },
    make("p", { class: "step" }),
    track(item),
    make("div", { class: "row" }, button("Cancel", () => cancel(item))),
  );
}

function failure(item: Item): HTMLElement {
  const { error } = item;
  const acts = [button("Try again", () => again(item), { class: "button primary" })];
  if (error?.kind === "ModelUnavailable") acts.push(button("Go to the models", () => (location.hash = "#models")));
  return make(
    "div",
    { class: "card", role: "alert" },
    make("p", { class: "error" }, error?.what ?? "Something went wrong."),
    make("p", { class: "note" }, error?.remedy ?? ""),
    make("div", { class: "row" }, ...acts, iconButton("close", `Remove ${item.picture.name}`, () => remove(item))),
  );
}
