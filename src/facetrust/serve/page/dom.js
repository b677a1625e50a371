// Elements are made from text alone: nothing that a server or a file says is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const el = (tag, attributes = {}, ...children) =>
  filled(document.createElement(tag), attributes, children);

export const svg = (tag, attributes = {}, ...children) =>
  filled(document.createElementNS(SVG, tag), attributes, children);

/** Puts children into an element in place of what is there; nothing stands for what there is not. */
export function put(place, ...children) {
  place.replaceChildren();
  filled(place, {}, children);
}

export const byId = (name) => document.getElementById(name);

let names = 0;
export const newId = () => `made-${++names}`;

export function say(text) {
  byId("status").textContent = text;
}

export function warn(text) {
  const alert = byId("alert");
  alert.textContent = text ?? "";
  alert.hidden = !text;
}

/** Runs one piece of work; what goes wrong is said in one line, and buttons wait meanwhile. */
export async function during(text, work, ...buttons) {
  warn(null);
  say(text);
  for (const button of buttons) button.disabled = true;
  try {
    return await work();
  } catch (error) {
    say("");
    warn(error.message);
    return undefined;
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

/** A slider that fades a layer; it is labelled, and tells its value. */
export function fader(label, layer, begin) {
  const id = newId();
  const told = el("output", { for: id });
  const input = el("input", { id, type: "range", min: 0, max: 100, value: begin });
  const show = () => {
    layer.style.opacity = input.value / 100;
    told.textContent = `${input.value} %`;
  };
  input.addEventListener("input", show);
  show();
  return el("div", { class: "fade" }, el("label", { for: id }, label), input, told);
}
