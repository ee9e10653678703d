// How composites look: patches of photos as the server pastes them; things cover stuff.

import { el, svg } from "../dom.js";
import { boxes, outlined } from "./boxes.js";

const SQUARES = 32;
const layers = new Map(); // by what was placed where

const key = (one) => JSON.stringify(one);

/** Where a patch comes from: the photo, the segment in it, and the licence, as a link if it has an address. */
export function credit({ photo, id, license }) {
  const { name, url } = license ?? { name: "unknown licence", url: "" };
  const link = { href: url, rel: "noopener noreferrer", target: "_blank" };
  return { photo, id, licence: /^https?:/.test(url) ? el("a", link, name) : name };
}

function checkerboard(side) {
  const square = side / SQUARES;
  const path = [];
  for (let row = 0; row < SQUARES; row += 1) {
    for (let column = row % 2 ? 0 : 1; column < SQUARES; column += 2) {
      path.push(`M${column * square} ${row * square}h${square}v${square}h${-square}z`);
    }
  }
  return path.join("");
}

export const patches = {
  ...boxes,

  /** Of the boxes whose patches are left to the model; null for patches, which have no label. */
  places(objects, info) {
    const found = boxes.places(objects.filter((one) => !layers.has(key(one))), info);
    return objects.map((one) => (layers.has(key(one)) ? null : found.shift()));
  },

  /** Fetches the patches that have not been drawn where they are now. */
  async prepare(objects, ask) {
    if (objects.every((one) => layers.has(key(one)))) return;
    const found = await ask("layers", { objects });
    if (layers.size > 400) layers.clear();
    found.layers.forEach((layer, number) => layers.set(key(objects[number]), layer));
  },

  /** Stuff lies behind things, and what was placed later behind what was placed before. */
  inDepth(numbered, info) {
    const isStuff = ({ one }) => info.kinds.get(one.class).stuff;
    return [...numbered.filter(isStuff).reverse(), ...numbered.filter((entry) => !isStuff(entry))];
  },

  background() {
    const [width, height] = boxes.view();
    return svg(
      "g",
      {},
      svg("rect", { width, height, fill: "rgb(214 214 214)" }),
      svg("path", { d: checkerboard(width), fill: "rgb(232 232 232)" }),
    );
  },

  element(one, kind, info, model, room, place) {
    const layer = layers.get(key(one));
    if (!layer) return outlined(one, kind, info, place);
    const { src, ...at } = layer;
    return svg("image", { href: src, ...at, preserveAspectRatio: "none" });
  },

  details({ patch }) {
    if (!patch) return [el("p", { class: "hint" }, "No patch yet: going on from here lets the model choose one.")];
    const { photo, id, licence } = credit(patch);
    return [
      el(
        "dl",
        { class: "credit" },
        [["Photo", photo], ["Segment", id], ["Licence", licence]].map(([term, said]) => [
          el("dt", {}, term),
          el("dd", {}, said),
        ]),
      ),
    ];
  },
};
