// What several rooms need.

import { button, el } from "./dom.js";
import { ask, Refusal } from "./api.js";

/** A line that says what is going on: `say(text)`, `fail(error)`, `clear()`. Screen readers read it. */
export function statusLine() {
  const line = el("p", { class: "status", role: "status", "aria-live": "polite" });
  const show = (text, kind) => {
    line.textContent = text;
    line.dataset.kind = kind;
  };
  return {
    line,
    say: (text) => show(text, "info"),
    fail: (error) => show(error instanceof Refusal || error instanceof Error ? error.message : String(error), "error"),
    clear: () => show("", ""),
  };
}

/** Asks for one thing at a time: a new request of the same asker ends the one in progress. Says on the status
 * line that it waits, and why it failed; then the answer is null. */
export function asker(room, status) {
  let current = null;
  return async (action, fields, working = "") => {
    current?.abort();
    const mine = (current = new AbortController());
    if (working) status.say(working);
    try {
      const found = await ask(room, action, fields, {
        signal: mine.signal,
        waiting: (seconds) => status.say(`Others are being served; this page asks again in ${seconds} s.`),
      });
      if (mine.signal.aborted) return null;
      if (mine === current) status.clear();
      return found;
    } catch (error) {
      if (!mine.signal.aborted) status.fail(error);
      return null;
    }
  };
}

/** A choice among the models of a room, nothing where there is only one. */
export function modelPicker(models, choose) {
  if (models.length < 2) return null;
  const select = el(
    "select",
    { on: { change: () => choose(select.value) } },
    models.map((name) => el("option", { value: name }, name)),
  );
  return el("label", { class: "picker" }, "Model ", select);
}

/** Examples that fill a text field when they are pressed. */
export function examples(texts, use) {
  return el(
    "div",
    { class: "examples", role: "group", "aria-label": "Examples" },
    texts.map((text) => button(text, () => use(text), { class: "chip" })),
  );
}

/** A group of buttons of which one is pressed. */
export function segments(label, options, chosen, choose) {
  const buttons = options.map((option, number) =>
    button(option, () => choose(number), { "aria-pressed": String(number === chosen) }),
  );
  return el("div", { class: "segments", role: "group", "aria-label": label }, buttons);
}
