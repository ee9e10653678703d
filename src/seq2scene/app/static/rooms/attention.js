// The attention lab: change where the model looks at one step, and see what it writes then.

import { button, el } from "../dom.js";
import { asker, examples, modelPicker, statusLine } from "../widgets.js";
import { EXAMPLES, languageName, opened } from "../labs/models.js";
import { scenes, sentences } from "../labs/rewriting.js";
import { weighing } from "../labs/weighing.js";
import { light, percent, quoted, wordOf } from "../labs/words.js";

const LEAD =
  "Attention is a set of weights: how much of each word of the text the model mixes into what it reads before it writes the next word, or draws the next object. Pick a step, move the weights yourself, and see what the model does when it looks elsewhere.";
const PAUSE = 120; // milliseconds between a bar's movement and the request
const SHOWN = 6; // words of a comparison

export async function open(section, room) {
  const { writer: writers } = room.others;
  const translators = room.models.filter((name) => !writers.includes(name));
  const models = [
    ...(await opened(section, room, LEAD, translators)),
    ...writers.map((name) => ({ name, title: `scenes, ${name}`, source: "en", writes: true })),
  ];
  const status = statusLine();
  const request = asker(room.name, status);
  let model = null;
  let task = null; // how the model is asked, see rewriting.js
  let base = null; // what it writes with its own attention
  let text = "";
  let step = 0;
  let timer = 0;
  let bars = null;
  let results = null;
  let latest = null; // change that was made

  const field = el("textarea", {
    rows: 1,
    maxlength: 400,
    spellcheck: "false",
    dir: "auto",
    on: {
      keydown: (event) => {
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        write();
      },
    },
  });
  const texts = EXAMPLES[models[0].source] ?? EXAMPLES.en;
  field.value = texts[0];
  const picker = modelPicker(models.map((one) => one.name), choose);
  for (const option of picker?.querySelectorAll("option") ?? []) {
    option.textContent = models.find((one) => one.name === option.value).title;
  }
  const press = button("", () => write(), { class: "primary" });
  const stage = el("div", { class: "pile" });
  section.append(
    field,
    el("div", { class: "row" }, press, picker),
    examples(texts, (example) => {
      field.value = example;
      write();
    }),
    status.line,
    stage,
  );
  await choose(models[0].name);

  async function choose(name) {
    model = models.find((one) => one.name === name);
    task = (model.writes ? scenes : sentences)(model, request);
    press.textContent = task.verb;
    field.setAttribute("aria-label", `A sentence in ${languageName(model.source)}`);
    await write();
  }

  async function write() {
    clearTimeout(timer);
    const asked = field.value;
    const found = await task.write(asked);
    if (found === null) return;
    [base, text] = [found, asked];
    if (!base.source.length || !base.steps.length) {
      const said = asked.trim() ? "The model knows none of these words." : "There is no text yet.";
      stage.replaceChildren(el("p", { class: "hint" }, said));
      return;
    }
    pick(task.begins(base.steps));
  }

  function pick(number) {
    step = number;
    clearTimeout(timer);
    results = el("div", { class: "pile results" });
    bars = weighing(base.source, base.steps[step].attention, changed);
    const unknown = [...new Set(base.unknown)].join(", ");
    stage.replaceChildren(
      unknown ? el("p", { class: "hint long" }, `Unknown to the model and left out: ${unknown}`) : "",
      el("h2", {}, task.heading),
      el("p", { class: "tokens target", role: "group", "aria-label": "Steps" }, base.steps.map(token)),
      el(
        "div",
        { class: "bench" },
        el(
          "div",
          { class: "card pile" },
          el(
            "div",
            { class: "row" },
            el("h2", {}, `Where the model looks as it ${task.writes} ${quoted(base.steps[step], base.end)}`),
            bars.actions,
          ),
          bars.bars,
        ),
        el("div", { class: "card" }, results),
      ),
    );
    compare(null);
  }

  function token(one, number) {
    const isEnd = one.id === base.end;
    const again = () => {
      pick(number);
      stage.querySelectorAll(".target .token")[number].focus();
    };
    return el(
      "button",
      {
        type: "button",
        dir: "auto",
        class: isEnd ? "token end" : "token",
        "aria-pressed": String(number === step),
        on: { click: again },
      },
      isEnd ? "⏎" : wordOf(one, base.end),
      isEnd && el("span", { class: "visually-hidden" }, "the end"),
    );
  }

  /** change: see weighing.js; null for none. */
  function changed(change) {
    clearTimeout(timer);
    if (change) timer = setTimeout(send, PAUSE, change, { base, step, bars });
    else compare(null);
    latest = change;
  }

  async function send(change, asked) {
    const found = await task.rewrite(text, asked.base, asked.step, change);
    if (found === null || asked.bars !== bars || change !== latest) return;
    bars.show(found.steps[step].attention);
    compare(found);
  }

  function compare(found) {
    results.replaceChildren(
      el("h2", {}, "Likeliest at this step"),
      distribution(task.unit, base.steps[step], found && found.steps[step], base.end),
      el("h2", {}, task.goesOn),
      el(
        "div",
        { class: "outcomes" },
        line("the model's own attention", base, null),
        found ? line("with yours", found, base) : el("p", { class: "hint" }, "Move a bar, or press “only” or “mask” beside a word."),
      ),
    );
  }

  function line(label, one, other) {
    return el("p", { class: "line" }, el("span", { class: "hint" }, label), task.show(one, other, step));
  }
}

/** The likeliest words of a step, before and after the change; after: null without one. */
function distribution(unit, before, after, end) {
  const words = new Map();
  for (const [side, step] of [["before", before], ["after", after]]) {
    for (const one of step?.alternatives ?? []) words.set(one.id, { ...words.get(one.id), ...one, [side]: one.probability });
  }
  const ranked = [...words.values()].sort((a, b) => Math.max(b.after ?? 0, b.before ?? 0) - Math.max(a.after ?? 0, a.before ?? 0));
  const bar = (side, share) => {
    const element = el("span", { class: `bar ${side}`, "aria-hidden": "true" });
    light(element, share ?? 0);
    return element;
  };
  const below = (step) => `<${percent(step.alternatives.at(-1)?.probability ?? 0).replace("<", "")}`;
  const figure = (share, step) =>
    el("td", { class: "figure" }, step && (share === undefined ? below(step) : percent(share)));
  return el(
    "table",
    { class: "distribution" },
    el("thead", {}, el("tr", {}, [unit, "", "own", after && "yours"].map((text) => el("th", { scope: "col" }, text)))),
    el(
      "tbody",
      {},
      ranked.slice(0, SHOWN).map((one) =>
        el(
          "tr",
          {},
          el("th", { scope: "row", dir: "auto", title: quoted(one, end) }, one.id === end ? "⏎ end" : wordOf(one, end)),
          el("td", { class: "pair" }, bar("before", one.before), after && bar("after", one.after)),
          figure(one.before, before),
          figure(one.after, after),
        ),
      ),
    ),
  );
}
