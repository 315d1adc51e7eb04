/** The page's elements: found by id, or made. Nothing here parses HTML, so nothing of a server's text becomes markup. */

type Child = Node | string | null | false;
type Attributes = Record<string, string | number | boolean | ((event: Event) => void)>;

const SVG = "http://www.w3.org/2000/svg";

/** Return the element that index.html has under an id. */
export function byId<T extends Element = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html lacks #${id}`);
  return found as unknown as T;
}

export function all<T extends HTMLElement = HTMLElement>(selector: string): T[] {
  return [...document.querySelectorAll<T>(selector)];
}

function fill(element: Element, attributes: Attributes, children: Child[]): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== false));
}

/** Make an element. A function among the attributes listens to the event of that name. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  fill(element, attributes, children);
  return element;
}

export function svg(tag: string, attributes: Attributes = {}, ...children: Child[]): SVGElement {
  const element = document.createElementNS(SVG, tag);
  fill(element, attributes, children);
  return element;
}

/** Make one of the icons that index.html defines. */
export function icon(name: string): SVGElement {
  return svg("svg", { "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));
}

export function button(label: string, act: () => void, attributes: Attributes = {}, glyph = ""): HTMLButtonElement {
  return make(
    "button",
    { type: "button", class: "button", click: act, ...attributes },
    glyph ? icon(glyph) : null,
    label,
  );
}

export function iconButton(glyph: string, label: string, act: () => void, attributes: Attributes = {}): HTMLButtonElement {
  return make(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, title: label, click: act, ...attributes },
    icon(glyph),
  );
}

/** Mark which button of a group is chosen, and call back when another is. */
export function segmented<T extends string>(name: string, chosen: (value: T) => void): (value: T) => void {
  const buttons = all(`[data-${name}]`);
  const show = (value: T) => {
    for (const one of buttons) one.setAttribute("aria-pressed", String(one.dataset[name] === value));
  };
  for (const one of buttons) one.addEventListener("click", () => chosen(one.dataset[name] as T));
  return show;
}

/** Let a browser save bytes under a name. */
export function saveAs(bytes: Blob, name: string): void {
  const url = URL.createObjectURL(bytes);
  const link = make("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
