// Style sheets that only some rooms need.

import { el } from "../dom.js";

const sheets = new Map();

/** Resolves when the sheet of that name in this folder applies. */
export function sheet(name) {
  if (!sheets.has(name)) {
    const loaded = new Promise((resolve) => {
      const on = { load: resolve, error: resolve };
      document.head.append(el("link", { rel: "stylesheet", href: `/static/labs/${name}.css`, on }));
    });
    sheets.set(name, loaded);
  }
  return sheets.get(name);
}
