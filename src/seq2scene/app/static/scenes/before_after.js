// A composite, and the photo that an inpainter makes of it, under one slider.

import { button, el, save } from "../dom.js";

/** desk: ask(action, fields, working), plain(), room. */
export function beforeAfter(desk) {
  const [inpainter] = desk.room.others.inpainter;
  const before = el("img", { alt: "The composite" });
  const after = el("img", { alt: "The photo made of it", class: "after" });
  const cut = el("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": "Composite or photo" });
  const stack = el("div", { class: "stack" }, before, after);
  const keep = button("PNG", () => save(made, "photo.png"), { "aria-label": "Download the photo" });
  const wiped = el("div", { class: "row wipe" }, "composite", cut, "photo", keep);
  const figure = el("figure", { class: "before-after", hidden: true }, stack, wiped);
  let made = null;
  const wipe = () => stack.style.setProperty("--cut", `${cut.value}%`);
  cut.addEventListener("input", wipe);

  async function make() {
    const objects = desk.plain();
    const composite = await desk.ask("draw", { objects, form: "png" });
    made = composite && (await desk.ask("inpaint", { inpainter, objects }, "Inpainting …"));
    if (!made) return;
    for (const [image, blob] of [[before, composite], [after, made]]) {
      URL.revokeObjectURL(image.src);
      image.src = URL.createObjectURL(blob);
    }
    figure.hidden = false;
    wipe();
  }

  const press = button("Make it a photo", make);
  return {
    element: el("div", { class: "inpainting" }, press, figure),
    show(objects) {
      press.disabled = objects.length === 0;
      if (figure.shown !== JSON.stringify(objects)) figure.hidden = true;
      figure.shown = JSON.stringify(objects);
    },
  };
}
