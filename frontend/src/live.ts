/** What is said aloud to screen readers, and the messages in the corner. */

import { byId, iconButton, make } from "./dom";

const SHOWN = 8000; // milliseconds

/** Say something to those who cannot see it happen. */
export function say(text: string): void {
  const live = byId("live");
  live.textContent = live.textContent === text ? `${text} ` : text;
}

/** Show a message until it is closed; one that is no error goes by itself. */
export function tell(text: string, kind: "note" | "error" = "note"): void {
  const toast = make("div", { class: `toast ${kind}` }, make("span", {}, text));
  toast.append(iconButton("close", "Close", () => toast.remove()));
  byId("toasts").append(toast);
  say(text);
  if (kind === "note") setTimeout(() => toast.remove(), SHOWN);
}
