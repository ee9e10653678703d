"""A static HTML page that compares generated with true pictures and sorts them by any score."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from string import Template
from urllib.parse import quote

from seq2scene.json_text import to_json

PAGE = Template("""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif; }
body { margin: 1.5rem; } h1 { font-size: 1.3rem; }
.bar { display: flex; gap: 1rem; flex-wrap: wrap; align-items: center; margin-bottom: 1rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(24rem, 1fr)); gap: 1rem; }
.card { border: 1px solid #8885; border-radius: 8px; padding: .7rem; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .4rem; }
.pair img { width: 100%; border-radius: 4px; }
figure { margin: 0; } figcaption, .scores { font-size: .8rem; opacity: .75; }
p { margin: .1rem 0 .5rem; } .scores span { display: inline-block; margin-right: .7rem; }
.facts { display: flex; flex-wrap: wrap; gap: .25rem; margin: .4rem 0; padding: 0; list-style: none; }
.facts li { padding: 0 .4rem; border-radius: 4px; font-size: .8rem; }
.holds { background: #009e7340; } .fails { background: #d55e0050; }
</style>
<h1>$title</h1>
<p>$note</p>
<div class="bar"><label>Sort by <select id="by"></select></label>
<label><input type="checkbox" id="up"> worst first</label>
<label>Text <input id="text" type="search" placeholder="words to look for"></label>
<span id="count"></span></div>
<div class="cards" id="cards">
$cards
</div>
<script>
const names = $names, box = document.getElementById("cards"), by = document.getElementById("by");
const up = document.getElementById("up"), text = document.getElementById("text");
for (const name of names) by.add(new Option(name));
by.value = $first;
function show() {
  const cards = [...box.children], sign = up.checked ? 1 : -1;
  const value = card => JSON.parse(card.dataset.scores)[by.value] ?? -1e9;  // missing: sorts as worst
  cards.sort((a, b) => sign * (value(a) - value(b))).forEach(card => box.append(card));
  let seen = 0;
  for (const card of cards) {
    card.hidden = !card.dataset.text.includes(text.value.toLowerCase());
    seen += !card.hidden;
  }
  document.getElementById("count").textContent = seen + " of " + cards.length;
}
for (const input of [by, up, text]) input.addEventListener("input", show);
show();
</script>
</html>
""")


@dataclass(frozen=True)
class Item:
    """One card. text: the model's input. pictures: caption -> file name, relative to the page. scores: by
    name, NaN where a mean excludes the item. link: a file that the pictures link to, or None. facts: what the
    text states, in words, each with whether it holds.
    """

    text: str
    pictures: Mapping[str, str]
    scores: Mapping[str, float]
    link: str | None = None
    facts: Sequence[tuple[str, bool]] = ()


def write_gallery(path: Path, title: str, items: Sequence[Item], first: str, note: str = "") -> None:
    """Writes the page, initially sorted by the score ``first``, best first. Its script is inline, and
    pictures load lazily.
    """
    names = list(dict.fromkeys(name for item in items for name in item.scores))
    page = PAGE.substitute(
        title=html.escape(title),
        note=html.escape(note),
        cards="\n".join(map(_card, items)),
        names=_script(names),
        first=_script(first),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def show_score(value: float, digits: int = 2) -> str:
    """A score as text; a dash if it is NaN."""
    return "-" if isnan(value) else f"{value:.{digits}f}"


def _card(item: Item) -> str:
    figures = "".join(
        f'<figure><img loading="lazy" src="{quote(file)}" alt=""><figcaption>{html.escape(caption)}'
        "</figcaption></figure>"
        for caption, file in item.pictures.items()
    )
    if item.link is not None:
        figures = f'<a class="pair" href="{quote(item.link)}">{figures}</a>'
    else:
        figures = f'<div class="pair">{figures}</div>'
    scores = "".join(
        f"<span>{html.escape(name)} {show_score(value)}</span>" for name, value in item.scores.items()
    )
    facts = "".join(
        f'<li class="{"holds" if holds else "fails"}">{"✓" if holds else "✗"} {html.escape(fact)}</li>'
        for fact, holds in item.facts
    )
    if facts:
        figures += f'<ul class="facts">{facts}</ul>'
    data = html.escape(to_json(dict(item.scores)))
    return (
        f'<div class="card" data-scores="{data}" data-text="{html.escape(item.text.lower())}">'
        f'<p>{html.escape(item.text)}</p>{figures}<div class="scores">{scores}</div></div>'
    )


def _script(value: object) -> str:
    """JSON that is safe inside a script element."""
    return to_json(value).replace("<", "\\u003c")
