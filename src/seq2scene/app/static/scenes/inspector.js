// One object: its class, its attributes to change, where it comes from.

import { button, el } from "../dom.js";
import { segments } from "../widgets.js";

const TITLES = { size: "Depth", flip: "Facing", pose: "Pose", expression: "Mood", aspect: "Aspect" };
const FEW = 8; // values that are shown as buttons

/** events: change(number, values), remove(number). */
export function inspector(events, look) {
  const root = el("div", { class: "inspector card" });

  const keysOf = (one) =>
    ["Keys: arrows move it", "flip" in one && "f flips it", "size" in one && "+ and − resize it", "Delete removes it"]
      .filter(Boolean)
      .join(", ");

  function control(head, item, number, info) {
    const names = info.heads[head].map((name) => name.replace(/^facing /, ""));
    const now = item.one[head];
    const choose = (value) => events.change(number, { [head]: value });
    const title = look.titles?.[head] ?? TITLES[head] ?? head;
    if (names.length <= FEW) {
      return el("div", { class: "control" }, el("h2", {}, title), segments(title, names, now, choose));
    }
    const slider = el("input", {
      type: "range",
      min: 0,
      max: names.length - 1,
      value: now,
      "aria-label": title,
      on: { change: () => choose(Number(slider.value)) },
    });
    return el("div", { class: "control" }, el("h2", {}, title), slider);
  }

  return {
    root,
    /** f: flip; + and -: nearer and farther, or larger and smaller. Whether the key means anything to the item. */
    key(event, number, item) {
      if (!item) return false;
      const { info } = root.shown;
      const step = { "+": look.larger ?? -1, "=": look.larger ?? -1, "-": -(look.larger ?? -1) }[event.key];
      if (event.key === "f" && "flip" in item.one) events.change(number, { flip: 1 - item.one.flip });
      else if (step && "size" in item.one) {
        const size = item.one.size + step;
        if (size < 0 || size >= info.heads.size.length) return false;
        events.change(number, { size });
      } else return false;
      return true;
    },
    /** chosen: {number, item}, or null where no object is. */
    show(chosen, info, model, room) {
      root.classList.toggle("chosen", chosen !== null);
      root.shown = { info };
      if (!chosen) {
        root.replaceChildren(el("p", { class: "hint" }, "Pick an object to change it, or drag it where it should be."));
        return;
      }
      const { number, item } = chosen;
      const kind = info.kinds.get(item.one.class);
      const heads = kind.heads.filter((head) => head in item.one);
      const details = look.details?.(item.one) ?? [];
      const focused = [...root.querySelectorAll("button, input")].indexOf(document.activeElement);
      root.replaceChildren(
        ...[
          el(
            "div",
            { class: "row" },
            look.icon ? el("img", { class: "icon", src: look.icon(kind, model, room), alt: "" }) : null,
            el("h3", {}, kind.title),
            button("Remove", () => events.remove(number), { class: "push", title: "Remove (Delete)" }),
          ),
          ...heads.map((head) => control(head, item, number, info)),
          ...details,
          el("p", { class: "hint keys" }, keysOf(item.one)),
        ].filter(Boolean),
      );
      root.querySelectorAll("button, input")[focused]?.focus(); // the new one in the place of the old
    },
  };
}
