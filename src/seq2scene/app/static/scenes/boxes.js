// How layouts look: outlined boxes with the colours and names of their classes.

import { svg } from "../dom.js";

const SIDE = 400;
const LETTER = 6.4; // mean width of a letter of a label
const TAG = 15; // height of a label

/** The rectangle of an object, in view units: as given, or as its size and aspect say. */
export function box(one, kind, info) {
  let { width, height } = one;
  if (width === undefined) {
    const { size, aspect } = info.tables;
    const area = (size && "size" in one ? size[one.size] : 0.5) ** 2;
    width = Math.min(Math.sqrt(area * (aspect && "aspect" in one ? aspect[one.aspect] : 1)), 1);
    height = Math.min(area / width, 1);
  }
  return { x: (one.x - width / 2) * SIDE, y: (one.y - height / 2) * SIDE, width: width * SIDE, height: height * SIDE };
}

const clamp = (value, most) => Math.min(Math.max(value, 0), most);

/** Black or white, whichever is more legible on a colour "#rrggbb". */
function inkOn(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue > 150 ? "#000" : "#fff";
}

/** A box with its label. */
export function outlined(one, kind, info) {
  const place = box(one, kind, info);
  const width = kind.title.length * LETTER + 8;
  const x = clamp(place.x, SIDE - width);
  const y = clamp(place.y, SIDE - TAG);
  return svg(
    "g",
    { class: "box" },
    svg("rect", { ...place, fill: kind.colour, "fill-opacity": 0.08, stroke: kind.colour, "stroke-width": 2.5 }),
    svg("rect", { x, y, width, height: TAG, fill: kind.colour }),
    svg("text", { x: x + 4, y: y + 11.5, "font-size": 11.5, fill: inkOn(kind.colour) }, kind.title),
  );
}

export const boxes = {
  view: () => [SIDE, SIDE],
  unit: SIDE,
  larger: 1,
  titles: { size: "Size", aspect: "Narrow to wide" },
  box,

  background: () => svg("rect", { width: SIDE, height: SIDE, fill: "#fff" }),

  element: (one, kind, info) => outlined(one, kind, info),

  /** An object with other values; its exact extents are those of its old size. */
  changed(one, values) {
    const { width, height, ...rest } = one;
    return "size" in values || "aspect" in values ? { ...rest, ...values } : { ...one, ...values };
  },

  fresh(kind, info) {
    const middle = Object.fromEntries(kind.heads.map((head) => [head, Math.floor(info.heads[head].length / 2)]));
    if ("size" in middle) middle.size = Math.floor(info.heads.size.length / 4);
    return { class: kind.name, x: 0.5, y: 0.6, ...middle };
  },
};
