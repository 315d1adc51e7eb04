/** The panel of looks: colour maps, and what the numbers mean. */

import { paintRamp } from "./colours";
import { valueText } from "./compare";
import { byId, make } from "./dom";
import { session } from "./session";
import { digits } from "./words";

const MEANINGS: Record<string, string> = {
  "relative inverse depth":
    "Larger is nearer. The numbers compare distances within this picture; they have no unit. Two known distances give metres.",
  "metric depth": "Metres from the camera, along the direction in which it looks.",
  "relative depth": "Larger is farther. The numbers compare distances within this picture; they have no unit.",
};
const CALIBRATED = "Metres from the camera, along the direction in which it looks. They follow from the distances that you gave.";
const ASSUMED = " They are those of an assumed camera: set the field of view in 3D if you know it.";

export function startView(): void {
  session.on(["current", "metres"], drawFacts);
  session.on(["look"], () => {
    for (const input of byId("maps").querySelectorAll("input")) input.checked = input.value === session.look.colours;
  });
}

/** List the colour maps once the server has told them. */
export function listMaps(): void {
  const rows = [...session.tables].map(([name, table]) => {
    const ramp = make("canvas", { "aria-hidden": "true" });
    paintRamp(ramp, table);
    const input = make("input", { type: "radio", name: "colours", value: name });
    input.checked = name === session.look.colours;
    input.addEventListener("change", () => session.set({ colours: name }));
    return make("label", {}, input, make("span", {}, name), ramp);
  });
  byId("maps").replaceChildren(...rows);
}

function drawFacts(): void {
  const { depth, current: item } = session;
  if (!depth || !item) return;
  const { facts } = depth;
  const camera = item.fov === null ? facts.camera.source : "set here";
  const rows: [string, string][] = [
    ["Nearest", valueText(depth, depth.shown.high)],
    ["Farthest", valueText(depth, depth.shown.low)],
    ["Kind", depth.calibration ? "metres, calibrated" : facts.kind],
    ["Model", facts.model],
    ["Size", `${depth.width} × ${depth.height}`],
    ["Field of view", `${digits(item.fov ?? depth.fov)}°, ${camera}`],
  ];
  byId("facts").replaceChildren(...rows.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]));
  const meaning = depth.calibration ? CALIBRATED : (MEANINGS[facts.kind] ?? "");
  byId("meaning").textContent = meaning + (facts.per_focal && camera === "assumed" ? ASSUMED : "");
}
