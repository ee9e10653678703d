// The translation lab: several models translate one sentence side by side, and show how.

import { button, el } from "../dom.js";
import { asker, examples, segments, statusLine } from "../widgets.js";
import { alignment } from "../labs/alignment.js";
import { alternatives } from "../labs/alternatives.js";
import { EXAMPLES, languageName, opened } from "../labs/models.js";
import { tree } from "../labs/tree.js";
import { percent } from "../labs/words.js";

const RANKINGS = [
  ["average", "per word"],
  ["none", "in total"],
  ["gnmt", "GNMT"],
];
const LEAD =
  "The model reads the sentence, then writes its translation word by word. Before each word it looks back at the source: point at a word, or move to it with Tab, to see how strongly. Press a word of the translation to choose another one and see the rest change.";

export async function open(section, room) {
  const models = await opened(section, room, LEAD);
  const other = models.find((model) => !model.attends && model !== models[0]) ?? models[1];
  const chosen = new Set([models[0], other].filter(Boolean).map((model) => model.name)); // open at the beginning
  const controls = { size: 4, normalisation: RANKINGS[0][0] };
  const cards = new Map();

  const field = el("textarea", {
    rows: 1,
    maxlength: 400,
    spellcheck: "false",
    dir: "auto",
    "aria-label": `A sentence in ${languageName(models[0].source)}`,
    on: {
      keydown: (event) => {
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        translateAll();
      },
    },
  });
  const texts = EXAMPLES[models[0].source] ?? EXAMPLES.en;
  field.value = texts[0];
  const width = el("output", {}, String(controls.size));
  const beam = el(
    "label",
    { class: "setting" },
    "Beam size ",
    el("input", {
      type: "range",
      min: 1,
      max: 8,
      value: controls.size,
      on: {
        input: (event) => (width.textContent = event.target.value),
        change: (event) => change({ size: Number(event.target.value) }),
      },
    }),
    width,
  );
  const ranking = el("div", { class: "setting" }, "Ranked by score ", rankings());
  const toggles = el("div", { class: "models", role: "group", "aria-label": "Models" }, models.length > 1 ? models.map(toggle) : null);
  const board = el("div", { class: "board" });
  section.append(
    field,
    el("div", { class: "row" }, button("Translate", translateAll, { class: "primary" }), beam, ranking),
    examples(texts, (text) => {
      field.value = text;
      translateAll();
    }),
    toggles,
    board,
  );
  await translateAll();

  function rankings() {
    const group = segments("Scores of translations", RANKINGS.map(([, text]) => text), 0, (number) => {
      [...group.children].forEach((one, at) => one.setAttribute("aria-pressed", String(at === number)));
      change({ normalisation: RANKINGS[number][0] });
    });
    group.title = "What translations are ranked by: the log-probability divided by the number of words, the whole log-probability, which prefers short ones, or the formula of Google's translator, in between";
    return group;
  }

  function toggle(model) {
    const one = button(
      model.title,
      () => {
        const on = !chosen.has(model.name);
        if (on) chosen.add(model.name);
        else chosen.delete(model.name);
        one.setAttribute("aria-pressed", String(on));
        lay();
        if (on) cards.get(model.name).translate(field.value);
      },
      { class: "chip", "aria-pressed": String(chosen.has(model.name)) },
    );
    return one;
  }

  function change(what) {
    Object.assign(controls, what);
    for (const name of chosen) cards.get(name)?.again();
  }

  function lay() {
    for (const model of models) {
      if (chosen.has(model.name) && !cards.has(model.name)) cards.set(model.name, card(room, model, controls));
    }
    board.replaceChildren(...models.filter((one) => chosen.has(one.name)).map((one) => cards.get(one.name).element));
    if (!chosen.size) board.append(el("p", { class: "hint" }, "Choose a model."));
  }

  async function translateAll() {
    lay();
    await Promise.all([...chosen].map((name) => cards.get(name).translate(field.value)));
  }
}

function card(room, model, controls) {
  const status = statusLine();
  const request = asker(room.name, status);
  const body = el("div", { class: "pile" });
  const element = el(
    "article",
    { class: "card lab", "aria-label": model.title },
    el(
      "header",
      {},
      el("h3", {}, model.title),
      el("p", { class: "hint" }, `${languageName(model.source)} to ${languageName(model.target)} · ${model.parameters.toLocaleString("en")} parameters`),
    ),
    status.line,
    body,
  );
  let state = { text: "", prefix: [], found: null, shown: 0, opened: null, unfolded: false };

  async function load(text, prefix) {
    const found = await request("translate", { model: model.name, text, prefix, ...controls }, "Translating …");
    if (found === null) return;
    state = { ...state, text, prefix, found, shown: 0, opened: null };
    draw();
  }

  function draw() {
    const { found, shown, prefix, opened } = state;
    const one = found.translations[shown];
    if (!found.source.length) {
      body.replaceChildren(el("p", { class: "hint" }, "There is nothing to translate yet."));
      return;
    }
    const { words, matrix } = alignment(found.source, one.steps, found.end, {
      forced: prefix.length,
      pressed: opened,
      press: (step) => {
        state.opened = opened === step ? null : step;
        draw();
        body.querySelectorAll(".target .token")[step]?.focus();
      },
    });
    body.replaceChildren(
      words,
      opened === null ? "" : alternatives(one.steps[opened], found.end, (id) => {
        load(state.text, [...one.steps.slice(0, opened).map((step) => step.id), id]);
      }),
      prefix.length
        ? el("p", { class: "hint row" }, `The first ${prefix.length === 1 ? "word is" : `${prefix.length} words are`} given.`,
            button("Let the model choose again", () => load(state.text, [])))
        : "",
      ...notes(found, one, model),
      el("div", { class: "beside" }, matrix ?? el("p", { class: "hint" }, "This model does not look back at the source. All that it knows of the sentence is one vector: the encoder's last state. The longer the sentence, the more is lost."), list()),
      el("details", { class: "fold", open: state.unfolded, on: { toggle: (event) => (state.unfolded = event.target.open) } },
        el("summary", {}, `The search: ${found.beam.length} candidates`), tree(found.beam, found.end, one.steps.map((step) => step.id))),
    );
  }

  function list() {
    const { found, shown } = state;
    return el(
      "div",
      { class: "ranked" },
      el("h2", {}, "Best translations, with scores"),
      el(
        "ol",
        {},
        found.translations.map((one, number) =>
          el(
            "li",
            {},
            button(
              [el("span", { dir: "auto" }, one.text || "(nothing)"), el("span", { class: "figure" }, one.score.toFixed(3))],
              () => {
                state = { ...state, shown: number, opened: null };
                draw();
                body.querySelectorAll(".ranked button")[number].focus();
              },
              {
                "aria-pressed": String(number === shown),
                title: `probability ${percent(Math.exp(one.log_prob))}, log-probability ${one.log_prob.toFixed(3)}${one.finished ? "" : "; cut off at the length limit"}`,
              },
            ),
          ),
        ),
      ),
    );
  }

  return {
    element,
    translate: (text) => load(text, []),
    again: () => state.found && load(state.text, state.prefix),
  };
}

/** What is to be said about unknown words. */
function notes(found, one, model) {
  const unknown = [...new Set(found.source.filter((word) => !word.known).map((word) => `“${word.text}”`))];
  const copied = one.steps.filter((step) => step.copied !== null);
  const left = one.steps.filter((step) => step.text === null && step.id !== found.end && step.copied === null);
  const said = [];
  if (unknown.length) {
    said.push(
      `${unknown.join(", ")}: not among the ${model.words} words that this model knows. It reads one symbol for all unknown words, so it must guess from the words around.`,
    );
  }
  if (copied.length) {
    said.push(`Where the model wrote its symbol for unknown words, the source word that it looked at most is copied: ${copied.map((step) => `“${step.copied}”`).join(", ")}.`);
  }
  if (left.length) said.push("The model wrote its symbol for unknown words and looked at none, so nothing can be copied.");
  return said.map((text) => el("p", { class: "hint note" }, text));
}
