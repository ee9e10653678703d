// Words of a sentence, as the labs show them.

import { el } from "../dom.js";

export const END = "end of sentence";
const UNKNOWN = "unknown word";

/** The text of a written step or candidate: unknown words and the end are named, as no text stands for them. */
export const wordOf = (one, end) => one.copied ?? one.text ?? (one.id === end ? END : UNKNOWN);

/** The words of a label: real ones in quotes. */
export const quoted = (one, end) => (one.text === null ? wordOf({ ...one, copied: null }, end) : `“${one.text}”`);

/** A share as a percentage. */
export const percent = (share) => {
  const hundred = 100 * share;
  if (hundred > 0 && hundred < 0.1) return "<0.1%";
  return `${hundred < 10 ? hundred.toFixed(1) : Math.round(hundred)}%`;
};

/** A source word. Unknown ones are marked. */
export function sourceWord(word, properties = {}) {
  if (word.text === null) return el("span", { ...properties, class: "token end", title: END }, "⏎");
  const title = word.known ? null : "The model does not know this word; it reads all such words as one symbol.";
  return el(
    "span",
    { ...properties, class: word.known ? "token" : "token unknown", title, dir: "auto" },
    word.text,
    word.known ? null : el("span", { class: "visually-hidden" }, " (unknown to the model)"),
  );
}

/** How strongly something is lit, from 0 to 1. */
export const light = (element, share) => element.style.setProperty("--lit", share.toFixed(3));

/** The name of a model's attention, for people. */
export function attentionName({ attends, attention, score, half_width: half }) {
  if (!attends) return "no attention";
  if (attention === "location") return "location attention";
  if (attention?.startsWith("local")) return `${attention} attention (${score}, ±${half} words)`;
  return score ? `${score} attention` : "attention";
}
