// The shell: theme, and one room at a time. A room is a module that exports `open(section, room)`.

import { rooms } from "./api.js";
import { el } from "./dom.js";

const main = document.getElementById("main");
const nav = document.getElementById("rooms");
const opened = new Map();
let current = null;

function themes() {
  const button = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const kept = localStorage.getItem("theme");
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = theme === "dark" ? "☀" : "☾";
    button.setAttribute("aria-pressed", String(theme === "dark"));
  };
  apply(kept ?? (dark.matches ? "dark" : "light"));
  dark.addEventListener("change", () => localStorage.getItem("theme") ?? apply(dark.matches ? "dark" : "light"));
  button.addEventListener("click", () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", theme);
    apply(theme);
  });
}

async function show(listed) {
  const room = listed.find((one) => `#${one.name}` === location.hash) ?? listed[0];
  for (const link of nav.children) {
    if (link.hash === `#${room.name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  current = room;
  nav.querySelector("[aria-current]").scrollIntoView({ block: "nearest", inline: "nearest" });
  document.title = `${room.title} · seq2scene`;
  for (const section of opened.values()) section.hidden = true;
  if (!opened.has(room.name)) {
    const section = el("section", { class: `room room-${room.name}`, "aria-label": room.title });
    opened.set(room.name, section);
    main.append(section);
    try {
      const { open } = await import(`./rooms/${room.name}.js`);
      await open(section, room);
    } catch (error) {
      section.append(el("p", { class: "notice" }, `This tab cannot be opened: ${error.message}`));
    }
  }
  opened.get(room.name).hidden = room !== current;
}

themes();
try {
  const listed = await rooms();
  nav.append(...listed.map((room) => el("a", { href: `#${room.name}` }, room.title)));
  if (listed.length) {
    addEventListener("hashchange", () => show(listed));
    await show(listed);
  } else {
    main.append(el("p", { class: "notice" }, "None of the models that this page was started with has a room here."));
  }
} catch {
  main.append(el("p", { class: "notice" }, "The server does not answer. Is it still running?"));
}
