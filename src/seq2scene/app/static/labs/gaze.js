// A photo, dimmed where a word did not look.

import { el } from "../dom.js";

const DIM = 0.78; // of the darkest part

/** grid: [rows, columns] of the maps. */
export function gaze(address, [rows, columns]) {
  const photo = el("img", { src: address, alt: "The photo as the model sees it" });
  const veil = el("canvas", { width: columns, height: rows, "aria-hidden": "true" });
  const context = veil.getContext("2d");
  return {
    element: el("div", { class: "gaze" }, photo, veil),
    /** weights: of the cells, row by row; null for the whole photo. one: show the strongest cell alone. */
    look(weights, one) {
      veil.classList.toggle("hard", one);
      const pixels = context.createImageData(columns, rows);
      if (weights) {
        const most = Math.max(...weights, 1e-9);
        weights.forEach((weight, at) => {
          const bright = one ? Number(weight === most) : weight / most;
          pixels.data[4 * at + 3] = 255 * DIM * (1 - bright);
        });
      }
      context.putImageData(pixels, 0, 0);
    },
  };
}
