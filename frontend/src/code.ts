/** What is on screen as Python, as a command line, and as curl. */

import { byId, icon, make } from "./dom";
import { tell } from "./live";
import { session, wishes, type Item } from "./session";
import type { Wishes } from "./predict";

const DEFAULTS = { colours: "inferno", ratio: 10 };
const TOKEN = "Authorization: Bearer $DEPTHMAP_TOKEN";

export interface Shown {
  name: string;
  stem: string;
  output: string;
  suffix: string;
  wishes: Wishes;
}

export function startCode(): void {
  session.on(["current", "look", "metres"], draw);
}

/** Return which output shows what is on screen. */
export function outputOf(view: string, form: string): string {
  if (view === "compare") return "colour";
  return form === "surface" ? "glb" : "ply";
}

function shown(item: Item): Shown {
  const output = outputOf(session.look.view, session.look.form);
  const suffix = session.outputs?.outputs.find((one) => one.name === output)?.suffix ?? "";
  return { name: item.picture.name, stem: item.picture.stem, output, suffix, wishes: wishes(item, [output]) };
}

/** Quote a word for a POSIX shell. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

/** Return the options that are not as usual, by their names on the command line. */
function given({ wishes, output }: Shown): [string, string][] {
  const { model, colours, ratio, fov, calibrate = [], far } = wishes;
  const metric = calibrate.length > 0;
  return [
    ...(model ? ([["model", model]] as [string, string][]) : []),
    ...(output === "colour" && colours && colours !== DEFAULTS.colours ? ([["colours", colours]] as [string, string][]) : []),
    ...(output !== "colour" && !metric && ratio !== DEFAULTS.ratio ? ([["ratio", String(ratio)]] as [string, string][]) : []),
    ...(fov ? ([["fov", String(fov)]] as [string, string][]) : []),
    ...calibrate.map((point): [string, string] => ["calibrate", point]),
    ...(metric && far ? ([["far", String(far)]] as [string, string][]) : []),
  ];
}

export function commandLine(what: Shown): string {
  const picture = what.name.startsWith("-") ? `./${what.name}` : what.name;
  const words = ["depthmap", "predict", picture, "-f", what.output];
  for (const [name, value] of given(what)) words.push(`--${name}`, value);
  const [start, rest] = [words.slice(0, 5), words.slice(5)];
  const lines = [start.map(quoted).join(" ")];
  for (let at = 0; at < rest.length; at += 2) lines.push(rest.slice(at, at + 2).map(quoted).join(" "));
  return lines.join(" \\\n  ");
}

export function curl(what: Shown, origin: string): string {
  const path = what.name.replace(/["\\]/g, "\\$&");
  const fields = [`image=@${/[;,"\\]/.test(what.name) ? `"${path}"` : path}`, `outputs=${what.output}`];
  for (const [name, value] of given(what)) fields.push(`${name}=${value}`);
  const lines = fields.map((field) => `-F ${quoted(field)}`);
  if (!/\/\/(localhost|127\.|\[::1\])/.test(origin)) lines.unshift(`-H "${TOKEN}"`);
  return [`curl -OJ ${origin}/api/predict`, ...lines].join(" \\\n  ");
}

export function python(what: Shown): string {
  const { model, colours, ratio, fov, calibrate = [], far } = what.wishes;
  const text = (value: string) => JSON.stringify(value);
  const known = calibrate.map((point) => point.replace(/^(.*),(.*)=(.*)$/, (_, x, y, m) => `(${x}, ${y}): ${number(m)}`));
  const options = given(what).filter(([name]) => name === "colours" || name === "ratio");
  const lines = [
    "import depthmap",
    ...(options.length ? ["from depthmap.outputs import Options"] : []),
    "",
    `depth = depthmap.estimate(${text(what.name)}${model ? `, model=${text(model)}` : ""})`,
    ...(fov ? [`depth = depth.with_camera(fov=${fov})`] : []),
    ...(known.length ? [`depth = depth.calibrated({${known.join(", ")}}${far ? `, far=${far}` : ""}).metric()`] : []),
  ];
  const looks = options.map(([name]) => (name === "colours" ? `colours=${text(colours ?? "")}` : `ratio=${ratio}`));
  const last = looks.length ? `, Options(${looks.join(", ")})` : "";
  return [...lines, `depth.save(${text(what.stem)}, [${text(what.output)}]${last})`].join("\n");
}

function number(metres: string): string {
  return metres === "inf" ? 'float("inf")' : metres;
}

function draw(): void {
  const item = session.current;
  if (!item?.depth) return;
  const what = shown(item);
  byId("code-what").textContent = `${what.stem}${what.suffix}`;
  byId("code").replaceChildren(
    block("Python", python(what)),
    block("Command line", commandLine(what)),
    block("curl", curl(what, location.origin)),
  );
}

function block(title: string, text: string): HTMLElement {
  const copy = make(
    "button",
    { type: "button", class: "button quiet", "aria-label": `Copy: ${title}`, click: () => void copied(title, text) },
    icon("copy"),
    "Copy",
  );
  const code = make("pre", { tabindex: 0, "aria-label": title }, make("code", {}, text));
  return make("section", { class: "code" }, make("header", {}, make("h2", {}, title), copy), code);
}

async function copied(title: string, text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    tell(`${title} is copied.`);
  } catch {
    tell("The browser did not allow copying. Select the text instead.", "error");
  }
}
