// How layouts look: outlined boxes with the colours and names of their classes.

import { svg } from "../dom.js";

const SIDE = 400;
const LETTERS = 11.5; // size of a label's letters
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

const pen = document.createElement("canvas").getContext("2d");
pen.font = `600 ${LETTERS}px ${getComputedStyle(document.documentElement).fontFamily}`;

/** The places of labels: at a corner, inside of a box with room for one and outside of others, where
 * they cover no label placed before; else in the nearest free row. */
function places(objects, info) {
  const placed = [];
  for (const one of objects) {
    const kind = info.kinds.get(one.class);
    const { x, y, width, height } = box(one, kind, info);
    const wide = Math.min(pen.measureText(kind.title).width + 8, SIDE);
    const [right, bottom] = [x + width - wide, y + height];
    const inside = [[x, y], [right, y], [x, bottom - TAG], [right, bottom - TAG]];
    const outside = [[x, y - TAG], [x, bottom], [right, y - TAG], [right, bottom]];
    const corners = width > wide && height > 2 * TAG ? [...inside, ...outside] : [...outside, ...inside];
    const rows = Array.from({ length: Math.floor(SIDE / TAG) }, (_, row) => [x, row * TAG]);
    rows.sort((one, other) => Math.abs(one[1] - y) - Math.abs(other[1] - y));
    const choices = [...corners, ...rows].map(([left, top]) => ({
      x: clamp(left, SIDE - wide),
      y: clamp(top, SIDE - TAG),
      width: wide,
      height: TAG,
    }));
    const isFree = (place) =>
      placed.every((other) => Math.abs(place.y - other.y) >= TAG || place.x >= other.x + other.width || other.x >= place.x + wide);
    placed.push(choices.find(isFree) ?? choices[0]);
  }
  return placed;
}

/** A box, with room for its label. */
export function outlined(one, kind, info, place) {
  return svg(
    "g",
    {},
    svg("rect", { ...box(one, kind, info), fill: kind.colour, "fill-opacity": 0.08, stroke: kind.colour, "stroke-width": 2.5 }),
    svg("rect", { ...place, fill: "transparent" }),
  );
}

/** The label of a box. */
const label = (kind, place) =>
  svg(
    "g",
    { class: "tag" },
    svg("rect", { ...place, fill: kind.colour }),
    svg("text", { x: place.x + 4, y: place.y + LETTERS, "font-size": LETTERS, fill: inkOn(kind.colour) }, kind.title),
  );

export const boxes = {
  view: () => [SIDE, SIDE],
  unit: SIDE,
  larger: 1,
  titles: { size: "Size", aspect: "Narrow to wide" },
  box,

  places,
  label,

  background: () => svg("rect", { width: SIDE, height: SIDE, fill: "#fff" }),

  element: (one, kind, info, model, room, place) => outlined(one, kind, info, place),

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
