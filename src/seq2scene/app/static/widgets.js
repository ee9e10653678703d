// What several rooms need.

import { button, el } from "./dom.js";
import { ask } from "./api.js";

/** A line that says what is going on: `say(text)`, `fail(error)`, `clear()`. Screen readers read it.
 * who: what says it; with it, `clear` removes nothing that something else has said. */
export function statusLine() {
  const line = el("p", { class: "status", role: "status", "aria-live": "polite" });
  let by = null;
  const show = (text, kind, who) => {
    line.textContent = text;
    line.dataset.kind = kind;
    by = who;
  };
  return {
    line,
    say: (text, who = null) => show(text, "info", who),
    fail: (error, who = null) => show(error instanceof Error ? error.message : String(error), "error", who),
    clear: (who = by) => who === by && show("", "", null),
  };
}

/** Asks for one thing at a time: a new request of the same asker ends the one in progress. Says on the status
 * line that it waits, and why it failed; then the answer is null. */
export function asker(room, status) {
  let current = null;
  const who = {};
  return async (action, fields, working = "") => {
    current?.abort();
    const mine = (current = new AbortController());
    if (working) status.say(working, who);
    try {
      const found = await ask(room, action, fields, {
        signal: mine.signal,
        waiting: (seconds) => status.say(`Others are being served; this page asks again in ${seconds} s.`, who),
      });
      if (mine.signal.aborted) return null;
      if (mine === current) status.clear(who);
      return found;
    } catch (error) {
      if (!mine.signal.aborted) status.fail(error, who);
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
