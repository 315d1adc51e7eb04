/** Light, dark, or as the system: kept in this browser. */

import { byId } from "./dom";
import { say } from "./live";

const KEY = "depthmap.theme";
const THEMES = ["system", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];

function stored(): Theme {
  const kept = localStorage.getItem(KEY) as Theme | null;
  return kept && THEMES.includes(kept) ? kept : "system";
}

function apply(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
  byId("theme").setAttribute("aria-label", `Colours: ${theme === "system" ? "as the system" : theme}`);
}

export function nextTheme(): void {
  const theme = THEMES[(THEMES.indexOf(stored()) + 1) % THEMES.length]!;
  localStorage.setItem(KEY, theme);
  apply(theme);
  say(byId("theme").getAttribute("aria-label") ?? "");
}

export function startTheme(): void {
  apply(stored());
  byId("theme").addEventListener("click", nextTheme);
}
