// Several scenes of one text to choose from.

import { button, el } from "../dom.js";
import { drawing } from "./stage.js";

export function samplesPanel(look, choose) {
  const root = el("div", { class: "samples", role: "group", "aria-label": "Variants", hidden: true });
  return {
    root,
    /** scenes: as the desk shows them; none hides the panel. */
    show(scenes, info, model, room) {
      root.hidden = scenes.length === 0;
      const buttons = scenes.map((scene, number) => {
        const label = `Variant ${number + 1}`;
        const objects = scene.items.map((item) => item.one);
        const thumbnail = drawing({ look, info, model, room, objects, label });
        const chosen = () => {
          for (const one of buttons) one.setAttribute("aria-pressed", String(one === pressed));
          choose(scene);
        };
        const pressed = button(thumbnail, chosen, { "aria-pressed": String(number === 0) });
        return pressed;
      });
      root.replaceChildren(...buttons);
    },
  };
}
