// A photo, dimmed where a word did not look.

import { el } from "../dom.js";

const DIM = 0.78; // of the darkest part
const SIDE = 112; // pixels of the veil
const SPREAD = 0.6; // standard deviation of the blur, in places

/** grid: [rows, columns] of the maps. */
export function gaze(address, [rows, columns]) {
  const photo = el("img", { src: address, alt: "The photo as the model sees it" });
  const veil = el("canvas", { width: SIDE, height: SIDE, "aria-hidden": "true" });
  const context = veil.getContext("2d");
  const soft = [glow(rows), glow(columns)];
  const hard = [blocks(rows), blocks(columns)];
  return {
    element: el("div", { class: "gaze" }, photo, veil),
    /** weights: of the places, row by row; null for the whole photo. one: show the strongest place alone. */
    look(weights, one) {
      const pixels = context.createImageData(SIDE, SIDE);
      if (weights) {
        const most = Math.max(...weights);
        const map = one ? weights.map((weight) => Number(weight === most)) : weights;
        const light = upsample(map, one ? hard : soft, columns);
        const brightest = Math.max(...light, 1e-9);
        light.forEach((value, at) => (pixels.data[4 * at + 3] = 255 * DIM * (1 - value / brightest)));
      }
      context.putImageData(pixels, 0, 0);
    },
  };
}

/** A map row by row, as SIDE x SIDE values. */
function upsample(map, [down, across], columns) {
  const wide = Array.from({ length: map.length / columns }, (_, row) =>
    across.map((shares) => shares.reduce((sum, share, column) => sum + share * map[row * columns + column], 0)),
  );
  return down.flatMap((shares) =>
    across.map((_, x) => shares.reduce((sum, share, row) => sum + share * wide[row][x], 0)),
  );
}

/** For each pixel along a side, the share that each of `places` has in it. */
function glow(places) {
  return Array.from({ length: SIDE }, (_, pixel) => {
    const at = ((pixel + 0.5) * places) / SIDE;
    const shares = Array.from({ length: places }, (__, place) => Math.exp(-(((at - place - 0.5) / SPREAD) ** 2) / 2));
    const sum = shares.reduce((a, b) => a + b, 0);
    return shares.map((share) => share / sum);
  });
}

const blocks = (places) =>
  Array.from({ length: SIDE }, (_, pixel) =>
    Array.from({ length: places }, (__, place) => Number(Math.floor(((pixel + 0.5) * places) / SIDE) === place)),
  );
