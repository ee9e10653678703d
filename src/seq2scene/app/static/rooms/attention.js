// The attention lab: change where the model looks at one step, and see what it writes then.

import { button, el } from "../dom.js";
import { asker, examples, modelPicker, statusLine } from "../widgets.js";
import { EXAMPLES, languageName, opened } from "../labs/models.js";
import { light, percent, quoted, sourceWord, wordOf } from "../labs/words.js";

const LEAD =
  "Attention is a set of weights: how much of each source word the model mixes into what it reads before it writes a word. Pick a word of the translation, move the weights yourself, and see what the model writes when it looks elsewhere.";
const PAUSE = 120; // milliseconds between a bar's movement and the request
const SHOWN = 6; // words of a comparison

export async function open(section, room) {
  const models = await opened(section, room, LEAD);
  let model = models[0];
  let base = null; // the translation with the model's own attention
  let step = 0;
  let own = true; // whether the attention is the model's own
  let masked = new Set();
  let weights = [];
  let timer = 0;
  let bars = []; // of the source words
  let results = null;

  const status = statusLine();
  const request = asker(room.name, status);
  const field = el("textarea", {
    rows: 1,
    maxlength: 400,
    spellcheck: "false",
    dir: "auto",
    "aria-label": `A sentence in ${languageName(model.source)}`,
    on: {
      keydown: (event) => {
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        translate();
      },
    },
  });
  const texts = EXAMPLES[model.source] ?? EXAMPLES.en;
  field.value = texts[0];
  const picker = modelPicker(models.map((one) => one.name), (name) => {
    model = models.find((one) => one.name === name);
    translate();
  });
  for (const option of picker?.querySelectorAll("option") ?? []) {
    option.textContent = models.find((one) => one.name === option.value).title;
  }
  const stage = el("div", { class: "pile" });
  section.append(
    field,
    examples(texts, (text) => {
      field.value = text;
      translate();
    }),
    el("div", { class: "row" }, button("Translate", translate, { class: "primary" }), picker),
    status.line,
    stage,
  );
  await translate();

  async function translate() {
    clearTimeout(timer);
    const found = await request("translate", { model: model.name, text: field.value }, "Translating …");
    if (found === null) return;
    base = { ...found, text: field.value };
    if (!base.source.length) {
      stage.replaceChildren(el("p", { class: "hint" }, "There is nothing to translate yet."));
      return;
    }
    pick(Math.max(0, base.translations[0].steps.length - 3));
  }

  function pick(number) {
    step = number;
    restore();
  }

  function restore() {
    own = true;
    masked = new Set();
    weights = [...base.translations[0].steps[step].attention];
    draw();
    compare(base);
  }

  // The page: the sentence, the bars, the comparison

  function draw() {
    const steps = base.translations[0].steps;
    results = el("div", { class: "pile results" });
    bars = base.source.map((word, at) => bar(word, at));
    stage.replaceChildren(
      el("h2", {}, "The translation. Pick the word whose attention you want to change"),
      el(
        "p",
        { class: "tokens target", role: "group", "aria-label": "Words of the translation" },
        steps.map((one, number) =>
          el(
            "button",
            {
              type: "button",
              dir: "auto",
              class: one.id === base.end ? "token end" : "token",
              "aria-pressed": String(number === step),
              on: {
                click: () => {
                  pick(number);
                  stage.querySelectorAll(".target .token")[number].focus();
                },
              },
            },
            one.id === base.end ? "⏎" : wordOf(one, base.end),
            one.id === base.end && el("span", { class: "visually-hidden" }, "end of sentence"),
          ),
        ),
      ),
      el(
        "div",
        { class: "bench" },
        el(
          "div",
          { class: "card pile" },
          el("div", { class: "row" }, el("h2", {}, `Where the model looks as it writes ${quoted(steps[step], base.end)}`), el("span", { class: "push row" },
            button("Flatten", flatten, { title: "Look at all words equally" }),
            button("Restore", restore, { title: "The model's own attention" }))),
          el("div", { class: "bars" }, bars.map((one) => one.element)),
        ),
        el("div", { class: "card" }, results),
      ),
    );
    refresh();
  }

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
    const element = el(
      "div",
      { class: "weigh" },
      sourceWord(word),
      slider,
      figure,
      button("only", () => all(at), { class: "small", "aria-label": `Move all attention to ${name}` }),
      hide,
    );
    return { element, slider, figure, hide };
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

  // Changes

  function set(at, value) {
    const rest = weights.reduce((sum, one, other) => (other === at ? sum : sum + one), 0);
    weights = weights.map((one, other) => {
      if (other === at) return value;
      return rest > 0 ? (one / rest) * (1 - value) : (1 - value) / (weights.length - 1);
    });
    if (weights.length === 1) weights = [value];
    masked = new Set();
    changed();
  }

  function flatten() {
    weights = weights.map(() => 1 / weights.length);
    masked = new Set();
    changed();
  }

  function all(at) {
    weights = weights.map((_, other) => Number(other === at));
    masked = new Set();
    changed();
  }

  /** The model itself says how it would look without the masked words. */
  function mask(at) {
    if (masked.has(at)) masked.delete(at);
    else masked.add(at);
    if (!masked.size) restore();
    else changed();
  }

  function changed() {
    own = false;
    refresh();
    clearTimeout(timer);
    timer = setTimeout(send, PAUSE);
  }

  async function send() {
    const [asked, at] = [base, step];
    const found = await request("change", {
      model: model.name,
      text: asked.text,
      prefix: asked.translations[0].steps.slice(0, at).map((one) => one.id),
      ...(masked.size ? { masked: [...masked] } : { weights: weights.map((one) => Math.min(1, one)) }),
    });
    if (found === null || asked !== base || at !== step || own) return;
    if (masked.size) {
      weights = [...found.translations[0].steps[at].attention];
      refresh();
    }
    compare(found);
  }

  function compare(found) {
    const [before, after] = [base.translations[0], found.translations[0]];
    results.replaceChildren(
      el("h2", {}, "What is written at this step"),
      distribution(before.steps[step], own ? null : after.steps[step], base.end),
      el("h2", {}, "How the sentence goes on"),
      line("the model's own attention", before, null),
      own ? el("p", { class: "hint" }, "Move a bar, or press “only” or “mask” beside a word.") : line("with yours", after, before),
    );
  }

  function line(label, one, other) {
    const same = other && one.text === other.text;
    return el(
      "p",
      { class: "line" },
      el("span", { class: "hint" }, label),
      el(
        "span",
        { dir: "auto" },
        one.steps.slice(0, -1).map((word, at) => {
          const differs = other && other.steps[at]?.id !== word.id;
          const kind = [at === step && "here", differs && "differs"].filter(Boolean).join(" ");
          return [el(differs ? "mark" : "span", { class: kind || null }, wordOf(word, base.end)), " "];
        }),
        same ? el("span", { class: "hint" }, "(unchanged)") : null,
      ),
    );
  }
}

/** The likeliest words of a step, before and after the change; after: null without one. */
function distribution(before, after, end) {
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
    el("thead", {}, el("tr", {}, ["word", "", "own", after && "yours"].map((text) => el("th", { scope: "col" }, text)))),
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
