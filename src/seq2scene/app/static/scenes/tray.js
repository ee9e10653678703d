// What can be added to the scene.

import { button, el } from "../dom.js";

/** add(kind): called with the class that was chosen. */
export function tray(look, add) {
  const list = el("div", { class: "pieces" });
  const root = el("details", { class: "tray card" }, el("summary", {}, "Add an object"), list);

  return {
    root,
    show(objects, info, model, room) {
      const counts = new Map();
      for (const one of objects) counts.set(one.class, (counts.get(one.class) ?? 0) + 1);
      const full = objects.length >= info.max_objects;
      const isSpent = (kind) => full || (kind.most !== null && (counts.get(kind.name) ?? 0) >= kind.most);
      if (root.model !== model) {
        root.model = model;
        list.replaceChildren(
          ...info.classes.map((kind) => {
            const face = look.icon
              ? el("img", { src: look.icon(kind, model, room), alt: "", loading: "lazy", draggable: "false" })
              : kind.title;
            const named = { title: kind.title, "aria-label": `Add ${kind.title}` };
            return button(face, () => add(kind), { ...named, class: "piece", data: { kind: kind.name } });
          }),
        );
      }
      for (const piece of list.children) piece.disabled = isSpent(info.kinds.get(piece.dataset.kind));
    },
  };
}
