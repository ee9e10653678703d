// Where the patches of a composite come from.

import { el } from "../dom.js";
import { credit } from "./patches.js";

export function sources() {
  const list = el("ul", { class: "sources" });
  const element = el("details", { class: "fold", hidden: true }, el("summary", {}, "Sources of the patches"), list);
  return {
    element,
    show(objects, info) {
      const cut = objects.filter((one) => one.patch);
      element.hidden = cut.length === 0;
      list.replaceChildren(
        ...cut.map((one) => {
          const { photo, id, licence } = credit(one.patch);
          return el("li", {}, `${info.kinds.get(one.class).title}: photo ${photo}, segment ${id}, `, licence);
        }),
      );
    },
  };
}
