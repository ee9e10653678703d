// A sentence above its translation: whichever word is pointed at or focused lights the words that belong to it,
// as strongly as the model looked. The same as a matrix.

import { el, svg } from "../dom.js";
import { END, light, percent, quoted, sourceWord, wordOf } from "./words.js";

const CELL = 17;
const LABEL = 7.2; // pixels per letter, about
const LONGEST = 14; // letters

const short = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text);

/** options.press(step): called when a target word is pressed. forced: how many words from the first were forced.
 * pressed: the step that is open. */
export function alignment(source, steps, end, { press, forced = 0, pressed = null } = {}) {
  const attends = steps.some((step) => step.attention);
  const weight = (t, s) => steps[t].attention?.[s] ?? 0;
  const above = source.map((word) => sourceWord(word, { tabindex: attends ? "0" : null }));
  const below = steps.map((step, t) =>
    el(
      "button",
      {
        type: "button",
        dir: "auto",
        class: ["token", step.id === end && "end", t < forced && "forced", step.text === null && step.id !== end && "unknown"]
          .filter(Boolean)
          .join(" "),
        title: title(step, end, t < forced),
        "aria-expanded": press ? String(t === pressed) : null,
        on: press ? { click: () => press(t) } : {},
      },
      step.id === end ? "⏎" : wordOf(step, end),
      step.id === end && el("span", { class: "visually-hidden" }, END),
    ),
  );
  const grid = attends ? matrix(source, steps, end, (t, s) => show(t, s)) : null;

  function show(t, s) {
    above.forEach((word, at) => light(word, t === null ? Number(at === s) : weight(t, at)));
    below.forEach((word, at) => light(word, s === null ? Number(at === t) : t === null ? weight(at, s) : Number(at === t)));
    grid?.mark(t, s);
  }
  const clear = () => {
    for (const word of [...above, ...below]) light(word, 0);
    grid?.mark(null, null);
  };
  const follow = (word, t, s) => {
    for (const event of ["pointerenter", "focus"]) word.addEventListener(event, () => show(t, s));
    for (const event of ["pointerleave", "blur"]) word.addEventListener(event, clear);
  };
  if (attends) {
    above.forEach((word, s) => follow(word, null, s));
    below.forEach((word, t) => follow(word, t, null));
  }
  const words = el(
    "div",
    { class: "alignment" },
    el("p", { class: "tokens", "aria-label": "Source" }, above),
    el("p", { class: "tokens target", "aria-label": "Translation" }, below),
  );
  return { words, matrix: grid && el("div", { class: "sideways" }, grid.element) };
}

function title(step, end, forced) {
  const chance = `probability ${percent(step.probability)}`;
  if (step.id === end) return `${END}, ${chance}`;
  if (step.text !== null) return forced ? `chosen by you, ${chance}` : chance;
  return step.copied === null
    ? `the model wrote its symbol for unknown words, ${chance}`
    : `the model wrote its symbol for unknown words, ${chance}; “${step.copied}”, where it looked, is copied`;
}

function matrix(source, steps, end, show) {
  const rows = steps.map((step) => (step.id === end ? "⏎" : short(wordOf(step, end))));
  const columns = source.map((word) => (word.text === null ? "⏎" : short(word.text)));
  const longest = (texts) => Math.max(1, ...texts.map((text) => text.length)) * LABEL + 8;
  const left = longest(rows);
  const top = longest(columns) * 0.8 + 6;
  const [width, height] = [left + columns.length * CELL + top * 0.7, top + rows.length * CELL + 2];
  const cells = steps.map((step, t) =>
    source.map((word, s) =>
      svg(
        "rect",
        {
          x: left + s * CELL + 1,
          y: top + t * CELL + 1,
          width: CELL - 2,
          height: CELL - 2,
          rx: 2.5,
          class: "cell",
          on: { pointerenter: () => show(t, s) },
        },
        svg("title", {}, `${quoted(step, end)} looked at ${word.text === null ? END : `“${word.text}”`}: ${percent(step.attention?.[s] ?? 0)}`),
      ),
    ),
  );
  cells.forEach((row, t) => row.forEach((cell, s) => light(cell, steps[t].attention?.[s] ?? 0)));
  const rowLabels = rows.map((text, t) =>
    svg("text", { x: left - 5, y: top + (t + 0.5) * CELL, "text-anchor": "end", "dominant-baseline": "central" }, text),
  );
  const columnLabels = columns.map((text, s) =>
    svg("text", { transform: `translate(${left + (s + 0.62) * CELL} ${top - 4}) rotate(-52)` }, text),
  );
  const element = svg(
    "svg",
    { class: "matrix", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Attention: a row for each word written, a column for each source word" },
    cells,
    rowLabels,
    columnLabels,
  );
  element.addEventListener("pointerleave", () => show(null, null));
  const mark = (t, s) => {
    rowLabels.forEach((label, at) => label.classList.toggle("marked", at === t));
    columnLabels.forEach((label, at) => label.classList.toggle("marked", at === s));
  };
  return { element, mark };
}
