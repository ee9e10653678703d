// The likeliest words at a step.

import { button, el } from "../dom.js";
import { light, percent, quoted, wordOf } from "./words.js";

/** A list of buttons; choose(id) is called with the word that is pressed. */
export function alternatives(step, end, choose) {
  const most = Math.max(...step.alternatives.map((one) => one.probability), 1e-9);
  return el(
    "div",
    { class: "alternatives", role: "group", "aria-label": `Instead of ${quoted(step, end)}` },
    el("h2", {}, "Likeliest here, given the words before; press one to go on from it"),
    step.alternatives.map((one) => {
      const bar = el("span", { class: "bar", "aria-hidden": "true" });
      light(bar, one.probability / most);
      return button(
        [bar, el("span", { class: "name", dir: "auto" }, wordOf(one, end)), el("span", { class: "figure" }, percent(one.probability))],
        () => choose(one.id),
        { "aria-pressed": String(one.id === step.id), class: "choice" },
      );
    }),
  );
}
