// Step by step: play and pause, a slider, and the words that the model attended to at each step.

import { button, el } from "../dom.js";

const PACE = 650; // milliseconds between steps

/** step(number): called when another step is to be shown, from 0 (nothing yet) to the count. */
export function timeline(step) {
  const slider = el("input", { type: "range", min: 0, max: 0, value: 0, step: 1, "aria-label": "Step" });
  const toggle = button("▶", () => (timer ? pause() : play()), { class: "play quiet", "aria-label": "Play" });
  const caption = el("span", { class: "caption" });
  const root = el("div", { class: "timeline" }, toggle, slider, caption);
  let timer = null;
  let count = 0;

  const go = (number) => {
    slider.value = number;
    step(number);
  };
  function pause() {
    clearInterval(timer);
    timer = null;
    toggle.textContent = "▶";
    toggle.setAttribute("aria-label", "Play");
  }
  function play() {
    pause();
    if (count === 0) return;
    if (Number(slider.value) >= count) go(0);
    toggle.textContent = "❚❚";
    toggle.setAttribute("aria-label", "Pause");
    timer = setInterval(() => {
      go(Number(slider.value) + 1);
      if (Number(slider.value) >= count) pause();
    }, PACE);
  }
  slider.addEventListener("input", () => {
    pause();
    step(Number(slider.value));
  });

  return {
    root,
    play,
    pause,
    /** One step back or on. */
    by(delta) {
      pause();
      go(Math.min(Math.max(Number(slider.value) + delta, 0), count));
    },
    /** count: of objects. at: the step that is shown. text: what it is. */
    show(objects, at, text) {
      count = objects;
      slider.max = objects;
      slider.value = at;
      slider.setAttribute("aria-valuetext", text);
      caption.textContent = text;
    },
  };
}

/** The words of a text, lit by weights; `null` weights: unlit. */
export function litWords(label, words, weights) {
  const most = weights ? Math.max(...weights, 1e-9) : 1;
  const lit = words.map((word, number) => {
    const share = weights ? weights[number] / most : 0;
    const title = weights ? `${Math.round(100 * weights[number])} %` : null;
    const element = el("span", { class: word === "(end)" ? "end" : null, title }, word);
    element.style.setProperty("--share", (share ** 1.6).toFixed(3));
    return [element, " "];
  });
  return el("p", { class: "words" }, el("span", { class: "label" }, label), el("span", { class: "text" }, lit));
}
