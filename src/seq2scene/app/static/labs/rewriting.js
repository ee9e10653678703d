// What the attention lab asks of a model, and how it shows what was written: sentences and scenes.
// A view is {source, steps, end, ...}: a step has id, text, probability, alternatives and attention.

import { ask } from "../api.js";
import { el } from "../dom.js";
import { boxes } from "../scenes/boxes.js";
import { clipArt } from "../scenes/clip_art.js";
import { drawing } from "../scenes/stage.js";
import { wordOf } from "./words.js";

/** A translator: request(action, fields, working) asks the server. */
export const sentences = (model, request) => {
  const view = (found) => found && { source: found.source, end: found.end, ...found.translations[0] };
  return {
    verb: "Translate",
    writes: "writes",
    unit: "word",
    heading: "The translation. Pick the word whose attention you want to change",
    goesOn: "How the sentence goes on",
    begins: (steps) => Math.max(0, steps.length - 3),
    write: async (text) => view(await request("translate", { model: model.name, text }, "Translating …")),
    async rewrite(text, own, at, change) {
      const prefix = own.steps.slice(0, at).map((one) => one.id);
      return view(await request("change", { model: model.name, text, prefix, ...change }));
    },
    /** The words; those that differ from `other` are marked, that of the step is underlined. */
    show(one, other, at) {
      return el(
        "span",
        { dir: "auto" },
        one.steps.slice(0, -1).map((word, step) => {
          const differs = other && other.steps[step]?.id !== word.id;
          const kind = [step === at && "here", differs && "differs"].filter(Boolean).join(" ");
          return [el(differs ? "mark" : "span", { class: kind || null }, wordOf(word, one.end)), " "];
        }),
        other?.text === one.text ? el("span", { class: "hint" }, "(unchanged)") : null,
      );
    },
  };
};

/** A writer of scenes. */
export const scenes = (model, request) => {
  let info = null;
  const view = (found) =>
    found && { ...found, source: found.words.map((text) => ({ text, known: true })), end: "" };
  return {
    verb: "Draw",
    writes: "chooses",
    unit: "object",
    heading: "The objects, in the order of the model. Pick the one whose attention you want to change",
    goesOn: "The scene",
    begins: (steps) => Math.max(0, steps.length - 2),
    async write(text) {
      const found = view(await request("draw", { writer: model.name, text }, "Drawing …"));
      if (found && !info) {
        const told = await ask(found.desk, "describe", { model: model.name });
        info = { ...told, kinds: new Map(told.classes.map((kind) => [kind.name, kind])) };
      }
      return found;
    },
    rewrite: async (text, own, at, change) =>
      view(await request("redraw", { writer: model.name, text, number: at, ...change })),
    show(one, other) {
      const { desk, objects } = one;
      const titles = objects.map((object) => info.kinds.get(object.class).title);
      const label = `A scene of ${titles.join(", ") || "nothing"}`;
      const isSame = other && JSON.stringify(other.objects) === JSON.stringify(objects);
      return el(
        "span",
        { class: "scene" },
        drawing({ look: desk === "scene" ? clipArt : boxes, info, model: model.name, room: desk, objects, label }),
        el("span", {}, titles.join(", "), isSame ? el("span", { class: "hint" }, " (unchanged)") : null),
      );
    },
  };
};
