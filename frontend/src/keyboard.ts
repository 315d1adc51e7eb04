/** The keys of the page, and the table of them that `?` shows. docs/page.md and docs/design.md have the same table. */

import { isMarking, slideBy } from "./compare";
import { isOpen, open } from "./dialog";
import { all, button, byId, make } from "./dom";
import { tooling, use } from "./measure";
import { select } from "./queue";
import { resetScene, sceneKey } from "./scene";
import { session } from "./session";
import { nextTheme } from "./theme";

interface Key {
  keys: string[];
  does: string;
  act?: () => void;
}

const KEYS: Key[] = [
  { keys: ["O"], does: "Choose pictures", act: () => byId("file").click() },
  { keys: ["Ctrl", "V"], does: "Paste a picture" },
  { keys: ["C"], does: "Compare picture and depth", act: () => session.set({ view: "compare" }) },
  { keys: ["D"], does: "3D", act: () => session.set({ view: "3d" }) },
  { keys: ["←", "→"], does: "Move the slider (Shift: to its ends); turn in 3D" },
  { keys: ["↑", "↓"], does: "Turn in 3D" },
  { keys: ["+", "−"], does: "Come nearer, go farther in 3D" },
  { keys: ["R"], does: "Reset the view in 3D", act: resetScene },
  { keys: ["K"], does: "Mark a point of known distance", act: () => tool("known") },
  { keys: ["M"], does: "Measure between two points", act: () => tool("measure") },
  { keys: ["Arrows"], does: "While marking: move the cross (Shift: finely); Enter sets the point" },
  { keys: ["Esc"], does: "Stop marking; close", act: () => use(null) },
  { keys: ["1 – 4"], does: "Tabs of the panel: View, Measure, Files, Code" },
  { keys: ["[", "]"], does: "Previous and next picture" },
  { keys: ["G"], does: "Go to models, and back", act: () => (location.hash = location.hash === "#models" ? "#depth" : "#models") },
  { keys: ["T"], does: "Light, dark, as the system", act: nextTheme },
  { keys: ["?"], does: "This table", act: () => void showKeys() },
];

const TABS = ["view", "measure", "files", "code"];
const ALWAYS = new Set(["g", "t", "?", "o"]);

function tool(name: "known" | "measure"): void {
  showTab("measure");
  use(tooling() === name ? null : name);
}

function step(by: number): void {
  const at = session.items.indexOf(session.current!);
  const item = session.items[at + by];
  if (item) select(item);
}

/** Show one tab of the panel. */
export function showTab(name: string, focus = false): void {
  for (const tab of TABS) {
    const chosen = tab === name;
    const head = byId(`tab-${tab}`);
    head.setAttribute("aria-selected", String(chosen));
    head.tabIndex = chosen ? 0 : -1;
    byId(`pane-${tab}`).hidden = !chosen;
    if (chosen && focus) head.focus();
  }
}

export function startKeyboard(): void {
  byId("help").addEventListener("click", () => void showKeys());
  for (const tab of all("[role=tab]")) {
    tab.addEventListener("click", () => showTab(tab.id.slice(4)));
    tab.addEventListener("keydown", (event) => walkTabs(event, tab.id.slice(4)));
  }
  document.addEventListener("keydown", press);
}

function walkTabs(event: KeyboardEvent, name: string): void {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by) return;
  showTab(TABS[(TABS.indexOf(name) + by + TABS.length) % TABS.length]!, true);
  event.preventDefault();
  event.stopPropagation();
}

function press(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isOpen()) return;
  if (isText(event.target) && event.key !== "Escape") return;
  const key = event.key.toLowerCase();
  const onModels = location.hash === "#models";
  const found = KEYS.find(({ keys, act }) => act && keys.length === 1 && sameKey(keys[0]!, key));
  if (found?.act && (ALWAYS.has(key) || (session.depth && !onModels))) {
    found.act();
    event.preventDefault();
    return;
  }
  if (onModels) return;
  if (key === "[" || key === "]") step(key === "[" ? -1 : 1);
  else if (session.depth && /^[1-4]$/.test(key)) showTab(TABS[Number(key) - 1]!, true);
  else if (hasOwnKeys(event.target) || !session.depth || isMarking()) return;
  else if (!sceneKey(event) && session.look.view === "compare" && slideBy(event)) event.preventDefault();
}

function sameKey(name: string, key: string): boolean {
  return name.toLowerCase() === key || (name === "Esc" && key === "escape");
}

function isText(target: EventTarget | null): boolean {
  return (target instanceof HTMLInputElement && !["range", "checkbox", "radio"].includes(target.type)) || target instanceof HTMLSelectElement;
}

function hasOwnKeys(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement || (target instanceof HTMLElement && target.matches("[role=tab], [role=tabpanel]"));
}

function showKeys(): Promise<boolean> {
  const rows = KEYS.map(({ keys, does }) =>
    make("tr", {}, make("th", { scope: "row" }, ...keys.flatMap((key, at) => [at ? " " : "", make("kbd", {}, key)])), make("td", {}, does)),
  );
  return open("Keyboard", (close) => [
    make("table", { class: "keys" }, make("tbody", {}, ...rows)),
    make("footer", {}, button("Close", () => close(true), { class: "button primary", autofocus: true })),
  ]);
}
