// How a lab opens, and what labs know of models.

import { ask } from "../api.js";
import { el } from "../dom.js";
import { attentionName } from "./words.js";

/** The descriptions of models, each with a title: how it attends, into which language if others translate into
 * another one, and its name where that says too little. Until they are there, the room says what it is for. */
export async function opened(section, room, lead, names = room.models) {
  const waiting = el("p", { class: "hint", role: "status" }, "The models are being loaded …");
  await sheet();
  section.append(el("p", { class: "lead" }, lead), waiting);
  const models = await Promise.all(
    names.map(async (name) => ({ name, ...(await ask(room.name, "describe", { model: name })) })),
  );
  waiting.remove();
  const several = new Set(models.map((model) => model.target)).size > 1;
  const titles = models.map((model) => attentionName(model) + (several ? `, ${languageName(model.target)}` : ""));
  return models.map((model, at) => {
    const alone = titles.indexOf(titles[at]) === titles.lastIndexOf(titles[at]);
    return { ...model, title: alone ? titles[at] : `${titles[at]}, ${model.name}` };
  });
}

let styled = null;

/** Resolves when the labs' style sheet applies. */
function sheet() {
  styled ??= new Promise((resolve) => {
    const on = { load: resolve, error: resolve };
    document.head.append(el("link", { rel: "stylesheet", href: "/static/labs/labs.css", on }));
  });
  return styled;
}

/** Examples in the language that the models read. */
export const EXAMPLES = {
  en: [
    "Mike is happy because he is holding the red ball.",
    "Jenny is sitting next to the tent and the dog is near the tree.",
    "The snake is under the tree and Jenny is afraid of the snake.",
    "Mike kicks the ball.",
    "The zebra is near the slide.",
  ],
  de: ["Mike hält den Ball.", "Jenny sitzt neben dem Zelt."],
  fr: ["Mike tient le ballon."],
};

const LANGUAGES = new Intl.DisplayNames(["en"], { type: "language" });

/** The English name of a language code; the code itself if it has none. */
export function languageName(code) {
  try {
    return LANGUAGES.of(code) ?? code;
  } catch {
    return code || "the source language";
  }
}
