// A beam search as a tree: a column for each step, best candidates on top.

import { el, svg } from "../dom.js";
import { END, percent, quoted, wordOf } from "./words.js";

const [ACROSS, DOWN, HIGH, PAD] = [112, 27, 20, 14];
const LONGEST = 12;
const FATES = {
  kept: "kept: the next step extends it",
  ended: "ended: a finished translation",
  dropped: "dropped: too many others were better",
};

/** nodes: as the server sends them. words: those of the translation that is shown, as ids. */
export function tree(nodes, end, words) {
  if (!nodes.length) return el("p", { class: "hint" }, "There was nothing to search for.");
  const children = nodes.map(() => []);
  nodes.forEach((node, at) => node.parent !== null && children[node.parent].push(at));
  const ranks = new Map();
  const place = nodes.map((node) => {
    const rank = ranks.get(node.step) ?? 0;
    ranks.set(node.step, rank + 1);
    return { x: PAD + 12 + node.step * ACROSS, y: PAD + rank * DOWN };
  });
  const shown = new Set(pathOf(nodes, children, words));
  const steps = nodes.at(-1).step + 1;
  const width = PAD * 2 + 12 + steps * ACROSS;
  const height = PAD * 2 + Math.max(...ranks.values()) * DOWN - (DOWN - HIGH);
  const root = { x: PAD, y: PAD + HIGH / 2 };

  const edges = nodes.map((node, at) => {
    const from = node.parent === null ? root : { x: place[node.parent].x + ACROSS - 24, y: place[node.parent].y + HIGH / 2 };
    const to = { x: place[at].x, y: place[at].y + HIGH / 2 };
    const bend = (to.x - from.x) / 2;
    return svg("path", {
      d: `M${from.x} ${from.y} C${from.x + bend} ${from.y} ${to.x - bend} ${to.y} ${to.x} ${to.y}`,
      class: `edge ${node.fate}${shown.has(at) ? " shown" : ""}`,
    });
  });
  const boxes = nodes.map((node, at) => {
    const text = node.id === end ? "⏎" : wordOf(node, end);
    return svg(
      "g",
      {
        class: `node ${node.fate}${shown.has(at) ? " shown" : ""}`,
        transform: `translate(${place[at].x} ${place[at].y})`,
        tabindex: "-1",
        role: "img",
        "aria-label": describe(at),
        on: { pointerenter: () => tell(at), focus: () => tell(at), click: () => go(at), keydown: (event) => walk(event, at) },
      },
      svg("rect", { width: ACROSS - 24, height: HIGH, rx: node.fate === "ended" ? 4 : HIGH / 2 }),
      svg("text", { x: (ACROSS - 24) / 2, y: HIGH / 2, "text-anchor": "middle", "dominant-baseline": "central" },
        text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text),
    );
  });
  const line = el("p", { class: "hint tell", "aria-live": "polite" }, "Point at a word, or move through the tree with the arrow keys, to see its scores.");
  const scroller = el(
    "div",
    { class: "scroller" },
    svg(
      "svg",
      { class: "tree", width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "The beam search as a tree" },
      svg("circle", { cx: root.x, cy: root.y, r: 4, class: "root" }),
      edges.filter((_, at) => !shown.has(at)),
      edges.filter((_, at) => shown.has(at)),
      boxes,
    ),
  );
  boxes[0].setAttribute("tabindex", "0");

  function describe(at) {
    const node = nodes[at];
    const before = pathBack(nodes, at).slice(0, -1).map((one) => wordOf(nodes[one], end)).join(" ");
    const score = node.score === null ? "" : `, score ${node.score.toFixed(3)}`;
    return `${before ? `After “${before}”: ` : ""}${quoted(node, end)}, probability ${percent(Math.exp(node.log_prob))}, `
      + `sum of log-probabilities ${node.total.toFixed(3)}${score}; ${FATES[node.fate]}.`;
  }
  function tell(at) {
    line.textContent = describe(at);
    const on = new Set(pathBack(nodes, at));
    boxes.forEach((box, one) => box.classList.toggle("traced", on.has(one)));
    edges.forEach((edge, one) => edge.classList.toggle("traced", on.has(one)));
  }
  function go(at) {
    for (const box of boxes) box.setAttribute("tabindex", "-1");
    boxes[at].setAttribute("tabindex", "0");
    boxes[at].focus();
  }
  function walk(event, at) {
    const same = nodes[at].step;
    const to = {
      ArrowLeft: nodes[at].parent,
      ArrowRight: children[at][0],
      ArrowUp: nodes[at - 1]?.step === same ? at - 1 : null,
      ArrowDown: nodes[at + 1]?.step === same ? at + 1 : null,
      Home: 0,
    }[event.key];
    if (to === undefined || to === null) return;
    event.preventDefault();
    go(to);
  }
  return el("div", { class: "search" }, scroller, line, legend());
}

const legend = () =>
  el(
    "p",
    { class: "hint legend" },
    Object.entries(FATES).map(([fate, text]) => el("span", { class: `sample ${fate}` }, text)),
  );

function pathBack(nodes, at) {
  const path = [];
  for (let one = at; one !== null; one = nodes[one].parent) path.unshift(one);
  return path;
}

/** The nodes that spell the words, as far as the search went along them. */
function pathOf(nodes, children, words) {
  const path = [];
  let among = nodes.map((_, at) => at).filter((at) => nodes[at].parent === null);
  for (const id of words) {
    const next = among.find((at) => nodes[at].id === id);
    if (next === undefined) break;
    path.push(next);
    among = children[next];
  }
  return path;
}
