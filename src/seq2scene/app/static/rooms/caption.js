// The caption lab: a photo in, a caption out, and where each of its words looked.

import { button, el } from "../dom.js";
import { asker, modelPicker, segments, statusLine } from "../widgets.js";
import { gaze } from "../labs/gaze.js";
import { opened } from "../labs/models.js";
import { read } from "../labs/photos.js";
import { percent } from "../labs/words.js";

const LEAD =
  "The model sees the photo as a grid of places. For each word of the caption it looks at some of them: what stays bright is what it looked at as it wrote the word.";
const PACE = 900; // milliseconds for a word
const SAMPLES = ["park-1", "park-2", "park-3", "park-4"];

export async function open(section, room) {
  const models = await opened(section, room, LEAD);
  let model = models[0];
  let photo = null;
  let found = null;
  let shown = 0; // of the captions
  let at = null; // of its words; null: the whole photo
  let one = model.hard; // show the strongest place alone
  let timer = 0;
  let view = null;
  let words = [];
  let scrub = null;
  let playing = null;

  const status = statusLine();
  const request = asker(room.name, status);
  const input = el("input", {
    type: "file",
    accept: "image/*",
    class: "visually-hidden",
    on: {
      change: () => {
        if (input.files.length) take(input.files[0]);
        input.value = "";
      },
    },
  });
  const drop = el(
    "label",
    {
      class: "drop",
      on: {
        dragover: (event) => {
          event.preventDefault();
          drop.classList.add("over");
        },
        dragleave: () => drop.classList.remove("over"),
        drop: (event) => {
          event.preventDefault();
          drop.classList.remove("over");
          if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
          else status.fail("Drop a file: pictures dragged from another page are not read.");
        },
      },
    },
    input,
    el("strong", {}, "Drop a photo here"),
    el("span", { class: "hint" }, "or press to choose one, or paste it. It is shrunk here, and nobody stores it."),
  );
  const samples = el(
    "div",
    { class: "stills", role: "group", "aria-label": "Photos of the park" },
    SAMPLES.map((name, number) =>
      button(
        el("img", { src: `/static/labs/${name}.jpg`, alt: "", width: 72, height: 72 }),
        async () => take(await (await fetch(`/static/labs/${name}.jpg`)).blob()),
        { "aria-label": `Photo ${number + 1} of the park` },
      ),
    ),
  );
  const stage = el("div", { class: "pile" });
  section.append(
    el("div", { class: "intake" }, drop, samples),
    el(
      "div",
      { class: "row" },
      modelPicker(room.models, (name) => {
        model = models.find((other) => other.name === name);
        one = model.hard;
        if (photo) caption();
      }),
    ),
    status.line,
    stage,
  );
  section.ownerDocument.addEventListener("paste", (event) => {
    const file = event.clipboardData?.files?.[0];
    if (file && !section.hidden && file.type.startsWith("image/")) take(file);
  });
  await take(await (await fetch(`/static/labs/${SAMPLES[0]}.jpg`)).blob());

  async function take(file) {
    stop();
    try {
      photo = await read(file);
    } catch (error) {
      status.fail(error);
      return;
    }
    await caption();
  }

  async function caption() {
    const got = await request("caption", { model: model.name, photo }, "Looking …");
    if (got === null) return;
    [found, shown] = [got, 0];
    draw();
  }

  function draw() {
    stop();
    at = null;
    const it = found.captions[shown];
    view = gaze(found.photo, model.grid);
    const steps = it.attention ?? [];
    words = it.words.map((word, number) =>
      el(
        "button",
        {
          type: "button",
          class: "token",
          dir: "auto",
          "aria-pressed": "false",
          on: {
            click: () => hold(at === number ? null : number),
            pointerenter: () => timer || show(number),
            pointerleave: () => timer || show(at),
            focus: () => timer || show(number),
            blur: () => timer || show(at),
          },
        },
        word,
      ),
    );
    scrub = el("input", {
      type: "range",
      min: 0,
      max: it.words.length,
      value: 0,
      "aria-label": "Word by word",
      on: {
        input: () => {
          stop();
          hold(scrub.value === "0" ? null : scrub.value - 1);
        },
      },
    });
    playing = button("▶ Play", play, { class: "primary" });
    stage.replaceChildren(
      el(
        "div",
        { class: "bench photo" },
        el("div", { class: "pile" }, view.element),
        el(
          "div",
          { class: "pile" },
          el("h2", {}, "The caption"),
          el("p", { class: "tokens spelled" }, it.words.length ? words : el("span", { class: "hint" }, "(nothing)")),
          steps.length && it.words.length
            ? [
                el("div", { class: "row player" }, playing, scrub),
                el("div", { class: "row" }, segments("How the places are shown", ["all places, by weight", "the strongest alone"], Number(one), (number) => {
                  one = Boolean(number);
                  draw();
                })),
                el("p", { class: "hint" }, model.hard
                  ? "This model was trained to look at one place at a time (hard attention)."
                  : "This model mixes all places, by weight (soft attention)."),
              ]
            : el("p", { class: "hint" }, "This model does not say where it looks."),
          ranked(),
        ),
      ),
    );
    show(null);
  }

  function ranked() {
    return el(
      "div",
      { class: "ranked" },
      el("h2", {}, "Best captions, with log-probabilities"),
      el(
        "ol",
        {},
        found.captions.map((caption, number) =>
          el(
            "li",
            {},
            button(
              [el("span", { dir: "auto" }, caption.text || "(nothing)"), el("span", { class: "figure" }, caption.log_prob.toFixed(2))],
              () => {
                shown = number;
                draw();
                stage.querySelectorAll(".ranked button")[number].focus();
              },
              { "aria-pressed": String(number === shown), title: `probability ${percent(Math.exp(caption.log_prob))}` },
            ),
          ),
        ),
      ),
    );
  }

  function show(number) {
    const weights = number === null ? null : found.captions[shown].attention?.[number] ?? null;
    view.look(weights, one);
    words.forEach((word, other) => {
      word.classList.toggle("lit", other === number);
      word.setAttribute("aria-pressed", String(other === at));
    });
  }

  function hold(number) {
    at = number;
    scrub.value = number === null ? 0 : number + 1;
    show(number);
  }

  function play() {
    if (timer) {
      stop();
      return;
    }
    playing.textContent = "❚❚ Pause";
    const next = () => {
      const number = at === null ? 0 : at + 1;
      if (number >= words.length) {
        stop();
        hold(null);
        return;
      }
      hold(number);
      timer = setTimeout(next, PACE);
    };
    timer = -1;
    next();
  }

  function stop() {
    clearTimeout(timer);
    timer = 0;
    if (playing) playing.textContent = "▶ Play";
  }
}
