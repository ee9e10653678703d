// What the labs know of translators.

import { ask } from "../api.js";
import { attentionName } from "./words.js";

/** The descriptions of a room's models, in its order, each with a title: how it attends, and its name where
 * several attend alike. */
export async function describeAll(room) {
  const models = await Promise.all(
    room.models.map(async (name) => ({ name, ...(await ask(room.name, "describe", { model: name })) })),
  );
  const titles = models.map(attentionName);
  return models.map((model, at) => {
    const alone = titles.indexOf(titles[at]) === titles.lastIndexOf(titles[at]);
    return { ...model, title: alone ? titles[at] : `${titles[at]}, ${model.name}` };
  });
}

/** Examples in the language that the models read. */
export const EXAMPLES = {
  en: [
    "Mike is happy because he is holding the ball.",
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
