// What the text states, and whether it holds in the scene.

import { el } from "../dom.js";

export function factsPanel() {
  const list = el("div", { class: "facts-list" });
  const total = el("span", { class: "total" });
  const head = el("div", { class: "row" }, el("h2", {}, "What the text states"), total);
  const root = el("div", { class: "facts card", hidden: true }, head, list);

  const mark = (holds) => {
    const [kind, label, sign] = holds ? ["tick", "holds", "✓"] : ["cross", "does not hold", "✗"];
    return el("span", { class: kind, role: "img", "aria-label": label }, sign);
  };

  function sentence({ text, facts }) {
    const ordered = [...facts].sort((one, other) => (other.kind === "thing") - (one.kind === "thing"));
    const known = ordered.map(({ words, kind, holds }) => el("li", { data: { kind } }, mark(holds), " ", words));
    const items = known.length ? known : [el("li", { class: "unchecked" }, "– not checked")];
    return el("div", { class: "sentence" }, el("p", {}, text), el("ul", {}, items));
  }

  return {
    root,
    /** sentences: [{text, facts: [{words, holds}]}]. checkable: whether facts of this model can be checked. */
    show(sentences, checkable) {
      root.hidden = !checkable || sentences.length === 0;
      const all = sentences.flatMap((one) => one.facts);
      total.textContent = all.length ? `${all.filter((fact) => fact.holds).length} of ${all.length} hold` : "";
      list.replaceChildren(...sentences.map(sentence));
    },
  };
}
