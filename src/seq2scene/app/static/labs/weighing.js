// Words with the weights that a model gave them at one step, to be changed by hand.

import { button, el } from "../dom.js";
import { light, percent, sourceWord } from "./words.js";

/** words: of the source. own: their weights. changed(fields): called after each change with what the server is to
 * be asked; null when the model's own weights are back. */
export function weighing(words, own, changed) {
  let weights = [...own];
  const masked = new Set();
  const bars = words.map(bar);
  const actions = el(
    "span",
    { class: "push row" },
    button("Flatten", () => give(weights.map(() => 1 / weights.length)), { title: "Look at all words equally" }),
    button("Restore", restore, { title: "The model's own attention" }),
  );
  refresh();

  function bar(word, at) {
    const name = word.text ?? "end of sentence";
    const slider = el("input", {
      type: "range",
      min: 0,
      max: 100,
      step: 1,
      class: "weight",
      "aria-label": `Weight of ${name}`,
      on: { input: () => set(at, slider.value / 100) },
    });
    const figure = el("span", { class: "figure" });
    const hide = button("mask", () => mask(at), { class: "small", "aria-label": `Mask ${name}` });
    const only = button("only", () => give(weights.map((_, other) => Number(other === at))), {
      class: "small",
      "aria-label": `Move all attention to ${name}`,
    });
    return { element: el("div", { class: "weigh" }, sourceWord(word), slider, figure, only, hide), slider, figure, hide };
  }

  function refresh() {
    bars.forEach(({ slider, figure, hide, element }, at) => {
      slider.value = Math.round(100 * weights[at]);
      slider.setAttribute("aria-valuetext", percent(weights[at]));
      light(slider, weights[at]);
      figure.textContent = percent(weights[at]);
      hide.setAttribute("aria-pressed", String(masked.has(at)));
      element.classList.toggle("masked", masked.has(at));
    });
  }

  function give(values) {
    weights = values;
    masked.clear();
    refresh();
    changed({ weights: weights.map((one) => Math.min(1, one)) });
  }

  /** The others share what is left in the proportions that they have. */
  function set(at, value) {
    const rest = weights.reduce((sum, one, other) => (other === at ? sum : sum + one), 0);
    const share = (one) => (rest > 0 ? (one / rest) * (1 - value) : (1 - value) / (weights.length - 1));
    give(weights.map((one, other) => (other === at ? value : share(one))));
  }

  /** The model itself says how it would look without the masked words. */
  function mask(at) {
    if (masked.has(at)) masked.delete(at);
    else masked.add(at);
    if (!masked.size) restore();
    else {
      refresh();
      changed({ masked: [...masked] });
    }
  }

  function restore() {
    weights = [...own];
    masked.clear();
    refresh();
    changed(null);
  }

  return {
    actions,
    bars: el("div", { class: "bars" }, bars.map((one) => one.element)),
    /** Shows the weights that the model has without the masked words. */
    show(found) {
      if (!masked.size) return;
      weights = [...found];
      refresh();
    },
  };
}
