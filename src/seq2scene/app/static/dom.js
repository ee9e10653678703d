// Elements without markup: whatever text they get is text.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. Properties: `class`, `on` ({event: listener}), `data` ({name: value}); booleans and other
 * names are attributes. Children: elements, texts, arrays of these; null and false are left out. */
export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** The same for SVG. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "data") {
      Object.assign(element.dataset, value);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children.flat(Infinity).filter((one) => one !== null && one !== false && one !== undefined));
  return element;
}

export function button(label, press, properties = {}) {
  return el("button", { type: "button", on: { click: press }, ...properties }, label);
}

/** Offers content for saving. */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
