// How scenes of clip art look: sprites where the project's own painter puts them, to the pixel.

import { picture } from "../api.js";
import { svg } from "../dom.js";

/** As Python rounds: halves to the even neighbour. */
export function round(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** The number of an object's picture among those of its class. */
function variant(one, kind, info) {
  if (kind.pictures.length === 1) return 0;
  return Object.entries(info.variants).reduce((number, [head, count]) => number * count + (one[head] ?? 0), 0);
}

/** The rectangle that an object's sprite fills, in canvas units. */
export function box(one, kind, info) {
  const scale = info.scales[one.size ?? 0];
  const [width, height] = kind.sizes[variant(one, kind, info)].map((side) => Math.max(1, round(side * scale)));
  return { x: round(one.x - width / 2), y: round(one.y - height / 2), width, height };
}

export const clipArt = {
  view: (info) => info.canvas,
  unit: 1,
  box,

  /** What is far lies behind what is near, and the sky behind all, as the project's own painter has it. */
  inDepth(numbered, info) {
    if (!info.depths) return numbered;
    const rank = ({ one }) => (info.kinds.get(one.class).sky ? 0 : info.scales.length) - (one.size ?? 0);
    return [...numbered].sort((one, other) => rank(one) - rank(other));
  },

  background(info, model, room) {
    const [width, height] = info.canvas;
    return svg("image", { href: picture(room, model, info.background), width, height, preserveAspectRatio: "none" });
  },

  element(one, kind, info, model, room) {
    const place = box(one, kind, info);
    const mirrored = `matrix(-1 0 0 1 ${2 * place.x + place.width} 0)`;
    const href = picture(room, model, kind.pictures[variant(one, kind, info)]);
    return svg("image", { href, ...place, preserveAspectRatio: "none", transform: one.flip ? mirrored : null });
  },

  /** A new object of a class in the middle of the canvas. */
  fresh(kind, info) {
    const [width, height] = info.canvas;
    const given = { class: kind.name, x: width / 2, y: height * (kind.sky ? 0.2 : 0.7) };
    const usual = { size: 1, flip: 0, pose: 0, expression: 2 };
    return { ...given, ...Object.fromEntries(kind.heads.map((head) => [head, Math.min(usual[head] ?? 0, info.heads[head].length - 1)])) };
  },

  /** Its picture in the tray. */
  icon(kind, model, room) {
    return picture(room, model, kind.pictures[Math.min(2, kind.pictures.length - 1)]);
  },
};
