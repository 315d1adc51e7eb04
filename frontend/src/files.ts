/** The panel of files: every output of the server, made when it is asked for, with its size from then on. */

import { Refusal, type Output } from "./api";
import { byId, iconButton, make, saveAs } from "./dom";
import { say } from "./live";
import { predict } from "./predict";
import { session, wishes, type Item } from "./session";
import { bytes } from "./words";

/** Sizes of the files that were made, by what they were made of. */
const sizes = new Map<string, number>();
let busy = "";

export function startFiles(): void {
  byId("all-files").addEventListener("click", () => void makeAll());
  session.on(["current", "look", "metres"], draw);
}

function keyOf(item: Item, output: string): string {
  return `${item.id} ${JSON.stringify(wishes(item, [output]))}`;
}

async function get(names: string[], accept: string, label: string): Promise<void> {
  const item = session.current;
  if (!item?.depth || busy) return;
  busy = label;
  result(`Making ${label}.`);
  draw();
  try {
    const answer = await predict(item.picture, wishes(item, names), accept);
    const blob = new Blob([answer.bytes], { type: answer.type });
    if (names.length === 1) sizes.set(keyOf(item, names[0]!), blob.size);
    saveAs(blob, answer.name);
    result(`${answer.name}, ${bytes(blob.size)}.`);
    say(`${answer.name} is saved.`);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    result(`${error.what} ${error.remedy}`, true);
  } finally {
    busy = "";
    draw();
  }
}

function makeAll(): Promise<void> {
  const names = (session.outputs?.outputs ?? []).filter((output) => output.available).map((output) => output.name);
  return get(names, "application/zip", "all files");
}

function result(text: string, error = false): void {
  byId("files-result").classList.toggle("error", error);
  byId("files-result").textContent = text;
}

function draw(): void {
  const item = session.current;
  const list = byId("files");
  if (!item?.depth || !session.outputs) return;
  const active = document.activeElement?.getAttribute("data-output");
  list.replaceChildren(...session.outputs.outputs.map((output) => row(item, output)));
  byId<HTMLButtonElement>("all-files").disabled = busy !== "";
  if (active) list.querySelector<HTMLElement>(`[data-output="${active}"]`)?.focus();
}

function row(item: Item, output: Output): HTMLLIElement {
  const size = sizes.get(keyOf(item, output.name));
  const about = output.available ? output.about : `${output.about}. Needs: ${output.install ?? "a package"}`;
  const end = make("span", { class: "end" }, make("span", { class: "size" }, size === undefined ? "" : bytes(size)));
  if (output.available)
    end.append(
      iconButton("download", `Download ${output.name}`, () => void get([output.name], "*/*", output.name), {
        "data-output": output.name,
        "aria-busy": String(busy === output.name),
      }),
    );
  return make(
    "li",
    {},
    make("span", {}, make("strong", {}, output.name), make("small", {}, about)),
    end,
  );
}
