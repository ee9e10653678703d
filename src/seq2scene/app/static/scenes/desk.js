// The desk of a room of scenes: a text is written into a scene, which is watched, edited and continued.

import { ask } from "../api.js";
import { button, el, save } from "../dom.js";
import { asker, examples, modelPicker, statusLine } from "../widgets.js";
import { factsPanel } from "./facts.js";
import { history } from "./history.js";
import { inspector } from "./inspector.js";
import { samplesPanel } from "./samples.js";
import { describe, stage } from "./stage.js";
import { litWords, timeline } from "./timeline.js";
import { tray } from "./tray.js";

/** Fills a section. lead: what the room is for. look: how objects are drawn, see clip_art.js. texts: examples.
 * extras(desk): more elements below the stage, each {element, show(objects, info)}. */
export async function openDesk(section, room, lead, look, texts, extras = () => []) {
  const status = statusLine();
  const write = asker(room.name, status);
  const check = asker(room.name, status);
  let info = null;
  let model = room.models[0];

  // What is shown: objects as {one, chosen, placed}; chosen and placed are weights over `words`.
  const empty = { items: [], words: [], text: "", fresh: new Set() };
  let scene = empty;
  let count = 0; // how many objects the timeline has reached
  let selected = null;
  let arriving = null;

  const past = history((value, canUndo, canRedo) => {
    scene = value;
    undo.disabled = !canUndo;
    redo.disabled = !canRedo;
  });

  // Text

  const text = el("textarea", {
    rows: 1,
    maxlength: 2000,
    "aria-label": "Sentences",
    placeholder: texts[0],
    spellcheck: "false",
    dir: "auto",
    on: {
      keydown: (event) => {
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        draw();
      },
    },
  });
  const drawButton = button("Draw", () => draw(), { class: "primary" });
  const onButton = button("Go on from here", () => goOn(), { title: "The model adds what the text describes to the current scene" });
  const unknown = el("p", { class: "hint long", hidden: true });

  // Stage and steps

  const view = stage(look, {
    select: (number) => {
      steps.pause();
      selected = number;
      if (number !== null && count < scene.items.length && number >= count) count = scene.items.length;
      show();
    },
    move: (number, shift) => scene.items[number] && change(number, shift(scene.items[number].one)),
    remove: (number) => remove(number),
    key: (event, number) => panel.key(event, number, scene.items[number]),
  });
  const steps = timeline((number) => {
    arriving = number === count + 1 ? number - 1 : null;
    count = number;
    selected = null;
    show();
  });
  const attended = el("div", { class: "attended" });
  const panel = inspector(
    { change: (number, values) => change(number, values), remove: (number) => remove(number) },
    look,
  );
  const facts = factsPanel();
  const samples = samplesPanel(look, (found) => settle(found));
  const pieces = tray(look, (kind) => add(kind));

  const undo = button("↶", () => restore("undo"), { "aria-label": "Undo", title: "Undo (Ctrl+Z)", disabled: true });
  const redo = button("↷", () => restore("redo"), {
    "aria-label": "Redo",
    title: "Redo (Ctrl+Shift+Z)",
    disabled: true,
  });
  const sampleButton = button("Four variants", () => draw(4), { title: "Four samples to choose from" });
  const file = el("input", {
    type: "file",
    accept: ".json,application/json",
    hidden: true,
    on: { change: () => file.files[0] && load(file.files[0]).finally(() => (file.value = "")) },
  });

  const plain = () => scene.items.map((item) => item.one);
  const added = extras({ ask: (action, fields, working) => write(action, { model, ...fields }, working), plain, room });

  section.append(
    el("p", { class: "lead" }, lead),
    el(
      "div",
      { class: "compose" },
      text,
      el(
        "div",
        { class: "row" },
        drawButton,
        onButton,
        sampleButton,
        status.line,
        modelPicker(room.models, (name) => { model = name; start(); }),
      ),
      examples(texts, (example) => { text.value = example; draw(); }),
      unknown,
    ),
    samples.root,
    el(
      "div",
      { class: "desk" },
      el(
        "div",
        { class: "picture card" },
        view.root,
        steps.root,
        attended,
        el(
          "div",
          { class: "row tools" },
          undo,
          redo,
          el("span", { class: "push" }),
          button("PNG", () => download("png"), { "aria-label": "Download PNG" }),
          button("GIF", () => download("gif"), { "aria-label": "Download GIF" }),
          button("JSON", () => download("json"), { "aria-label": "Download JSON" }),
          button("Load …", () => file.click(), { "aria-label": "Load a scene" }),
          file,
        ),
        added.map((extra) => extra.element),
      ),
      el("div", { class: "side" }, facts.root, panel.root, pieces.root),
    ),
  );

  section.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("textarea, select, input:not([type=range])");
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !isTyping) {
      event.preventDefault();
      restore(event.shiftKey ? "redo" : "undo");
    } else if (!isTyping && event.target.type !== "range" && !event.target.closest("[data-number]")) {
      if (event.key === "ArrowRight") steps.by(1);
      else if (event.key === "ArrowLeft") steps.by(-1);
    }
  });
  for (const kind of ["dragover", "drop"]) {
    view.root.addEventListener(kind, (event) => {
      event.preventDefault();
      if (kind === "drop" && event.dataTransfer.files[0]) load(event.dataTransfer.files[0]);
    });
  }

  // Writing

  /** Whether there is something to write about. */
  function isTold() {
    if (text.value.trim()) return true;
    status.say("Type a sentence, or press one of the examples.");
    text.focus();
    return false;
  }

  async function draw(number = 1) {
    if (!isTold()) return;
    const fields = { model, text: text.value, samples: number };
    if (number > 1) fields.seed = Math.floor(Math.random() * 2 ** 31);
    await receive(await write("write", fields, "Drawing …"), []);
  }

  async function goOn() {
    if (!isTold()) return;
    const given = plain();
    await receive(await write("write", { model, text: text.value, given }, "Going on …"), given);
  }

  async function receive(found, given) {
    unknown.hidden = true;
    if (!found) return;
    const words = [...new Set(found.unknown)];
    const said = found.words.length
      ? "Unknown to the model and left out"
      : "The model knows none of these words, so there is nothing to draw";
    const hints = words.length ? [`${said}: ${words.join(", ")}`] : [];
    if (found.denials.length) {
      hints.push(`What is denied (${found.denials.join(", ")}) is mostly drawn all the same: say what is there instead`);
    }
    unknown.hidden = hints.length === 0;
    unknown.textContent = hints.join(". ");
    const scenes = found.scenes.map((one) => ({
      items: one.objects.map((object, number) => ({
        one: object,
        chosen: one.chosen?.[number] ?? null,
        placed: one.placed?.[number] ?? null,
      })),
      words: found.words,
      text: text.value,
      fresh: newIn(one.objects, given),
    }));
    samples.show(scenes.length > 1 ? scenes : [], info, model, room.name);
    await settle(scenes[0]);
  }

  /** The numbers of the objects that were not given; none if nothing was. */
  function newIn(objects, given) {
    const keys = given.map(key);
    return new Set(given.length ? [...objects.keys()].filter((number) => !keys.includes(key(objects[number]))) : []);
  }
  const key = (one) => `${one.class} ${one.x.toFixed(1)} ${one.y.toFixed(1)}`;

  /** Shows a scene that was written, from its first step. */
  async function settle(found) {
    past.push(found);
    selected = arriving = null;
    count = found.fresh.size ? found.items.length : 0;
    await prepare();
    show();
    if (!found.fresh.size) steps.play();
    checkFacts();
  }

  // Editing

  async function edit(items, select, values = {}) {
    status.clear();
    steps.pause();
    past.push({ ...scene, ...values, items, fresh: new Set() });
    selected = select;
    arriving = null;
    count = items.length;
    await prepare();
    show();
    await checkFacts();
  }

  function change(number, values) {
    const item = scene.items[number];
    const one = look.changed?.(item.one, values) ?? { ...item.one, ...values };
    return edit(scene.items.with(number, { ...item, one }), number);
  }

  const remove = (number) => edit(scene.items.filter((_, at) => at !== number), null);

  const add = (kind) =>
    edit([...scene.items, { one: look.fresh(kind, info), chosen: null, placed: null }], scene.items.length);

  async function restore(way) {
    status.clear();
    steps.pause();
    past[way]();
    selected = arriving = null;
    count = scene.items.length;
    await prepare();
    show();
    checkFacts();
  }

  /** Which facts hold, and the order in which objects cover each other. */
  async function checkFacts() {
    const asked = scene;
    const found = await check("check", { model, text: scene.text, objects: plain() });
    if (!found || scene !== asked) return;
    facts.show(found.sentences, found.checkable);
    if (found.order.some((number, at) => number !== at)) {
      const chosen = selected === null ? null : found.order.indexOf(selected);
      const items = found.order.map((number) => scene.items[number]);
      const fresh = new Set([...items.keys()].filter((at) => scene.fresh.has(found.order[at])));
      past.amend({ ...scene, items, fresh });
      selected = chosen;
      await prepare();
      show();
    }
  }

  /** What a look must fetch before it can draw. */
  async function prepare() {
    try {
      await look.prepare?.(plain(), (action, fields) => ask(room.name, action, { model, ...fields }));
    } catch (error) {
      status.fail(error);
    }
  }

  // Files

  async function download(form) {
    if (form === "json") {
      const content = { sentences: scene.text ? [scene.text] : [], objects: plain() };
      save(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }), "scene.json");
      return;
    }
    const blob = await write("draw", { model, objects: plain(), form }, "Drawing …");
    if (blob) save(blob, `scene.${form}`);
  }

  async function load(chosen) {
    let found;
    try {
      if (chosen.size > 200_000) throw new Error("it is larger than 200 kB");
      found = JSON.parse(await chosen.text());
      found = Array.isArray(found) ? { objects: found } : found;
      if (!Array.isArray(found?.objects)) throw new Error('a scene is a list of objects, or has "objects"');
    } catch (error) {
      status.fail(new Error(`${chosen.name} is not a scene: ${error.message}`));
      return;
    }
    const known = await write("check", { model, text: "", objects: found.objects });
    if (!known) return;
    const said = Array.isArray(found.sentences) ? found.sentences.join(" ").slice(0, 2000) : "";
    text.value = said || text.value;
    const items = known.order.map((number) => ({ one: found.objects[number], chosen: null, placed: null }));
    samples.show([], info, model, room.name);
    await edit(items, null, { text: said, words: [] });
  }

  // Showing

  function show() {
    const objects = plain();
    view.show({ info, model, room: room.name, objects, count, selected, arriving, fresh: scene.fresh });
    const last = selected ?? count - 1;
    const item = scene.items[last];
    const title = item && info.kinds.get(item.one.class).title;
    steps.show(objects.length, count, item ? `${last + 1} of ${objects.length} · ${title}` : `${objects.length} objects`);
    const rows = item
      ? [
          item.chosen && litWords("chosen by", scene.words, item.chosen),
          item.placed && litWords("placed by", scene.words, item.placed),
          !item.chosen && !item.placed && el("p", { class: "words hint" }, "Placed by you."),
        ]
      : [scene.words.length > 0 && litWords("the text", scene.words, null)];
    attended.replaceChildren(...rows.filter(Boolean));
    const chosen = selected === null ? null : { number: selected, item: scene.items[selected] };
    panel.show(chosen, info, model, room.name);
    pieces.show(objects, info, model, room.name);
    onButton.disabled = objects.length === 0;
    for (const extra of added) extra.show(objects, info);
  }

  async function start() {
    const found = await write("describe", { model }, "Loading the model …");
    if (!found) return;
    info = { ...found, kinds: new Map(found.classes.map((kind) => [kind.name, kind])) };
    scene = empty;
    count = 0;
    selected = null;
    if (!text.value) text.value = texts[0];
    await draw();
  }

  await start();
}
