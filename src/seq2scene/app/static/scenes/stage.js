// The stage: a scene as SVG whose objects are chosen, dragged and moved by keys.

import { svg } from "../dom.js";

const STEP = 4; // view units for an arrow key, and with Shift:
const LEAP = 20;

const clamp = (value, most) => Math.min(Math.max(value, 0), most);

/** A scene that is only looked at. look: see clip_art.js. */
export function drawing({ look, info, model, room, objects, label }) {
  const [width, height] = look.view(info);
  const places = look.places?.(objects, info) ?? [];
  return svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    look.background(info, model, room),
    inDepth(look, objects, info).map(({ one, number }) =>
      look.element(one, info.kinds.get(one.class), info, model, room, places[number]),
    ),
    labels(look, objects, info, places),
  );
}

/** The labels of objects, above all of them, each at its place if it has one. */
function labels(look, objects, info, places) {
  return objects.map((one, number) => places[number] && look.label(info.kinds.get(one.class), places[number]));
}

/** Objects with their numbers, in the order in which they cover each other. */
function inDepth(look, objects, info) {
  const numbered = objects.map((one, number) => ({ one, number }));
  return look.inDepth ? look.inDepth(numbered, info) : numbered;
}

/** An object in words: "Mike, near, facing left, smiling". */
export function describe(one, info) {
  const kind = info.kinds.get(one.class);
  const values = kind.heads.filter((head) => head in one).map((head) => info.heads[head][one[head]]);
  const isNamed = values.every((value) => Number.isNaN(Number(value)));
  return [kind.title, ...(isNamed ? values : [])].join(", ");
}

/** The stage. events: select(number or null), move(number, {x, y}), remove(number), key(event, number). */
export function stage(look, events) {
  const layer = svg("g", {});
  const outline = svg("rect", { class: "outline", rx: 4, hidden: true });
  const above = svg("g", { "aria-hidden": "true" });
  const root = svg("svg", { class: "stage", role: "group", "aria-label": "The scene" }, layer, above, outline);
  let shown = null;
  let named = []; // the numbers of the objects that have a label
  let kept = new Map(); // elements of the last show by what they show, as new ones would flicker

  const place = (box, dx = 0, dy = 0) => {
    for (const [name, value] of Object.entries({ ...box, x: box.x + dx, y: box.y + dy })) {
      outline.setAttribute(name, value);
    }
  };

  /** The object below `number` where the pointer is, as a second click chooses it; the topmost below the last. */
  function next(event, number) {
    const under = document
      .elementsFromPoint(event.clientX, event.clientY)
      .map((element) => element.closest("[data-number]")?.dataset.number)
      .filter((found, at, all) => found !== undefined && all.indexOf(found) === at)
      .map(Number);
    return under[(under.indexOf(number) + 1) % under.length] ?? number;
  }

  function drag(down, number, element, wasSelected) {
    const { one, box } = shown.items[number];
    const scale = 1 / root.getScreenCTM().a;
    const [width, height] = look.view(shown.info);
    const label = above.children[named.indexOf(number)];
    let delta = null;
    const at = (event) => {
      const to = (start, moved, most) => clamp(start * look.unit + moved * scale, most) - start * look.unit;
      return [to(one.x, event.clientX - down.clientX, width), to(one.y, event.clientY - down.clientY, height)];
    };
    const move = (event) => {
      if (delta === null && Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) < 3) return;
      delta = at(event);
      for (const part of [element, label]) part?.setAttribute("transform", `translate(${delta[0]} ${delta[1]})`);
      place(box, ...delta);
    };
    const end = (event) => {
      root.removeEventListener("pointermove", move);
      root.removeEventListener("pointerup", end);
      root.removeEventListener("pointercancel", end);
      if (delta && event.type === "pointerup") events.move(number, (now) => shifted(now, ...delta));
      else if (delta) for (const part of [element, label]) part?.removeAttribute("transform");
      else if (wasSelected && event.type === "pointerup") events.select(next(event, number));
    };
    root.setPointerCapture(down.pointerId);
    root.addEventListener("pointermove", move);
    root.addEventListener("pointerup", end);
    root.addEventListener("pointercancel", end);
  }

  const digits = () => (look.unit === 1 ? 100 : 100_000);
  const shifted = (one, dx, dy) => {
    const [width, height] = look.view(shown.info);
    const to = (start, moved, most) =>
      Math.round((clamp(start * look.unit + moved, most) / look.unit) * digits()) / digits();
    return { x: to(one.x, dx, width), y: to(one.y, dy, height) };
  };

  function keys(event, number) {
    const pace = event.shiftKey ? LEAP : STEP;
    const ways = { ArrowLeft: [-pace, 0], ArrowRight: [pace, 0], ArrowUp: [0, -pace], ArrowDown: [0, pace] };
    if (event.key in ways) events.move(number, (now) => shifted(now, ...ways[event.key]));
    else if (event.key === "Delete" || event.key === "Backspace") events.remove(number);
    else if (event.key === "Enter" || event.key === " ") events.select(number);
    else if (event.key === "Escape") events.select(null);
    else if (!events.key(event, number)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  root.addEventListener("pointerdown", (event) => {
    if (!event.target.closest("[data-number]")) events.select(null);
  });

  const made = (one, number, info, inside) =>
    svg(
      "g",
      {
        tabindex: 0,
        role: "button",
        "aria-label": describe(one, info),
        data: { number },
        on: {
          keydown: (event) => keys(event, number),
          pointerdown: (event) => {
            if (event.button !== 0) return;
            event.preventDefault();
            const wasSelected = event.currentTarget.getAttribute("aria-pressed") === "true";
            events.select(number);
            const now = layer.querySelector(`[data-number="${number}"]`);
            now?.focus({ preventScroll: true });
            if (now) drag(event, number, now, wasSelected);
          },
        },
      },
      svg("title", {}, info.kinds.get(one.class).title),
      inside,
    );

  /** Shows the first `count` objects. arriving: the number of one that has just come. */
  function show({ info, model, room, objects, count, selected, arriving, fresh }) {
    const [width, height] = look.view(info);
    root.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const focused = document.activeElement?.closest?.("[data-number]")?.dataset.number;
    const items = objects.map((one) => ({ one, box: look.box(one, info.kinds.get(one.class), info) }));
    shown = { info, items };
    const reused = new Map();
    const keep = (key, make) => {
      const element = kept.get(key) ?? make();
      reused.set(key, element);
      return element;
    };
    const places = look.places?.(objects, info) ?? [];
    const elements = inDepth(look, objects.slice(0, count), info).map(({ one, number }) => {
      const inside = () => look.element(one, info.kinds.get(one.class), info, model, room, places[number]);
      const element = keep(`${model} ${number} ${JSON.stringify([one, places[number]])}`, () => made(one, number, info, inside()));
      element.setAttribute("class", ["object", fresh?.has(number) && "fresh"].filter(Boolean).join(" "));
      element.classList.toggle("arriving", number === arriving);
      element.setAttribute("aria-pressed", String(number === selected));
      return element;
    });
    const background = keep(`${model} background`, () => look.background(info, model, room));
    layer.replaceChildren(background, ...elements);
    named = [...objects.keys()].slice(0, count).filter((number) => places[number]);
    above.replaceChildren(...labels(look, objects.slice(0, count), info, places).filter(Boolean));
    kept = reused;
    const isSelected = selected !== null && selected < count;
    outline.toggleAttribute("hidden", !isSelected);
    if (isSelected) place(items[selected].box);
    if (focused !== undefined && root.isConnected) {
      const number = isSelected ? selected : focused;
      const there = layer.querySelector(`[data-number="${number}"]`) ?? layer.querySelector("[data-number]");
      there?.focus({ preventScroll: true });
    }
  }

  return { root, show };
}
