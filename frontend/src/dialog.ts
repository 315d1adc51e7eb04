/** Dialogs: something to read, or a question. */

import { button, make } from "./dom";

let named = 0;

/** Show a dialog until it is closed; `build` makes its content and is handed what closes it. */
export function open(title: string, build: (close: (answer: boolean) => void) => (Node | string)[], wide = false): Promise<boolean> {
  return new Promise((resolve) => {
    const id = `dialog-${named++}`;
    const dialog = make("dialog", { "aria-labelledby": id, class: wide ? "wide" : "" });
    let answer = false;
    const close = (given: boolean) => {
      answer = given;
      dialog.close();
    };
    dialog.append(make("div", { class: "dialog" }, make("h2", { id }, title), ...build(close)));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    dialog.addEventListener("click", (event) => event.target === dialog && close(false));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Ask whether to go on; false when the dialog is closed in any other way. */
export function confirm(title: string, text: (Node | string)[], yes: string, dangerous = false): Promise<boolean> {
  return open(title, (close) => [
    ...text.map((part) => (typeof part === "string" ? make("p", {}, part) : part)),
    make(
      "footer",
      {},
      button("Cancel", () => close(false), { autofocus: true }),
      button(yes, () => close(true), { class: `button primary${dangerous ? " danger" : ""}` }),
    ),
  ]);
}

/** Is a dialog open? Then the keys of the page rest. */
export function isOpen(): boolean {
  return document.querySelector("dialog[open]") !== null;
}
