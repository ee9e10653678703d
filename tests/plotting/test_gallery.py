"""Galleries: one self-contained page, whatever the texts."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from seq2scene.plotting.gallery import Item, write_gallery

NASTY = "</p><script>alert(\"1\")</script> & <b> $title 'x'"


class Page(HTMLParser):
    """A parsed page: elements with their attributes, the text, the scripts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text, self.scripts = "", ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] == "script":
            self.scripts += data
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def cards(self) -> list[dict[str, str]]:
        return [attributes for attributes in self.all("div") if attributes.get("class") == "card"]


def item(text: str = "Mike runs.", file: str = "1.png", link: str | None = None, **scores: float) -> Item:
    return Item(text, {"generated": file, "true": f"true {file}"}, scores or {"f1": 0.5}, link)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "gallery" / "index.html"


def test_every_item_is_a_card_with_its_pictures_and_scores(path):
    items = [item(f"Mike runs {n} times.", f"{n}.png", f1=n / 300, place=0.25) for n in range(300)]
    write_gallery(path, "test scenes", items, "f1")
    page = Page(path)
    assert len(page.cards()) == 300
    assert json.loads(page.cards()[7]["data-scores"]) == {"f1": 7 / 300, "place": 0.25}
    assert len(page.all("img")) == 600
    assert {picture["loading"] for picture in page.all("img")} == {"lazy"}
    assert "Mike runs 7 times." in page.text
    assert 'const names = ["f1", "place"]' in page.scripts
    assert 'by.value = "f1"' in page.scripts


def test_nothing_comes_from_the_net(path):
    write_gallery(path, "test", [item(link="strip.png")], "f1")
    page = Page(path)
    assert not page.all("link")
    assert [attributes for attributes in page.all("script") if attributes] == []
    assert "://" not in path.read_text(encoding="utf-8")


def test_texts_titles_and_names_cannot_become_markup(path):
    scores = {NASTY: 0.5}
    write_gallery(path, NASTY, [Item(NASTY, {NASTY: "1.png"}, scores, None)], NASTY, note=NASTY)
    page = Page(path)
    assert len(page.all("script")) == 1
    assert page.all("b") == []
    assert page.text.count(NASTY) >= 4
    assert page.cards()[0]["data-text"] == NASTY.lower()
    assert json.loads(page.cards()[0]["data-scores"]) == scores


def test_a_fact_says_by_sign_and_by_colour_whether_it_holds(path):
    facts = [("Mike holds ball", True), (NASTY, False)]
    write_gallery(path, "test", [Item("Mike", {}, {"f1": 1}, facts=facts), item()], "f1")
    page = Page(path)
    assert [each.get("class") for each in page.all("li")] == ["holds", "fails"]
    assert "✓ Mike holds ball" in page.text and f"✗ {NASTY}" in page.text
    assert len(page.all("ul")) == 1 and page.all("b") == []  # no list where no facts are known
    assert all(f".{kind} {{ background: #" in path.read_text(encoding="utf-8") for kind in ("holds", "fails"))


def test_pictures_are_found_whatever_their_files_are_called(path):
    write_gallery(path, "test", [item(file="50% #1?.png", link='a "b".png')], "f1")
    page = Page(path)
    assert page.all("img")[0]["src"] == "50%25%20%231%3F.png"
    assert page.all("a")[0]["href"] == "a%20%22b%22.png"


def test_a_score_that_is_not_a_number_does_not_break_the_page(path):
    write_gallery(path, "test", [item(f1=float("nan")), item(f1=0.5)], "f1")

    def refuse(constant: str):
        raise AssertionError(f"{constant} is no JSON to a browser")

    found = [json.loads(card["data-scores"], parse_constant=refuse) for card in Page(path).cards()]
    assert found == [{"f1": None}, {"f1": 0.5}]
    assert "f1 -</span>" in path.read_text(encoding="utf-8")


def test_light_and_dark_are_the_readers_choice(path):
    write_gallery(path, "test", [], "f1")
    assert "color-scheme: light dark" in path.read_text(encoding="utf-8")
