"""The lessons run, their exercises notice what is not broken, and pages and notebooks show them."""

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "lessons"

spec = importlib.util.spec_from_file_location("lessons_build", ROOT / "lessons" / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)

# What the broken line of an exercise is mended to, and what the cell then has to say. Only exercises whose
# effect needs no training, as the others are not checked at this size.
MENDED = {
    "1_batches": [
        (
            "everywhere = torch.ones_like(batch.mask)",
            "everywhere = batch.mask",
            "four padded positions must add",
        ),
        ("wrong = scores.softmax(dim=2)", "wrong = right", "over .3 of the shortest sentence"),
        ("plain(encoder.embedding(one.ids))[0][:, -1]", "encoder(one)[1][0]", "must change with padding"),
    ],
    "2_end_token": [("Sample(max_length=5)", "Sample(max_length=9)", "a limit of five words")],
    "3_language_model": [],
    "4_sequence_to_sequence": [
        ('Bridge("zero", "lstm", 1, 128, 1, 128)', "bridge", "every source must get the same translation")
    ],
    "5_attention": [
        ("general.decoder.attention = Uniform()", "pass", "BLEU must fall below a third"),
        ("everywhere = torch.ones_like(memory.mask)", "everywhere = memory.mask", "by more than 0.05 nats"),
        ("float(one == word)", "float(one == 'pizza')", "must write the crown"),
    ],
    "6_captioning": [
        ("[(n + 1) % VAL for n in", "[n for n in", "with its own photo a caption must be"),
        ("captioner.decoder.attention = Uniform()", "pass", "with attention a caption must be"),
    ],
    "7_abstract_scenes": [('x=hotdog["x"] - 60', 'x=hotdog["x"]', "must not be held any more")],
    "8_layouts_and_composites": [
        (
            "where[torch.randperm(len(where), generator=generator)]",
            "where",
            "must fit worse than the nearest",
        ),
        ("masks=torch.ones_like(patches.masks)", "masks=patches.masks", "rectangles must cover"),
        ("beyond = composites.schema.classes", "beyond = FIRST_STUFF", "when stuff covers"),
    ],
}


def test_every_lesson_is_listed_here():
    assert build.names() == sorted(MENDED)


@pytest.mark.slow
@pytest.mark.parametrize("name", build.names())
def test_a_lesson_runs_and_its_exercises_notice_what_is_not_broken(name, monkeypatch):
    monkeypatch.setenv("LESSONS_SMALL", "1")
    noticed = []

    def mend(cell, shown, made):
        for old, new, message in MENDED[name]:
            if not cell.is_text and old in cell.source:
                assert cell.source.count(old) == 1
                with pytest.raises(AssertionError, match=re.escape(message)):
                    mended = replace(cell, source=cell.source.replace(old, new))
                    build.run_cell(mended, build.LESSONS / f"{name}.py", dict(made))
                noticed.append(old)

    with torch.random.fork_rng():
        build.run_lesson(name, mend)
    assert len(noticed) == len(MENDED[name])


@pytest.mark.parametrize("name", build.names())
def test_the_page_shows_the_lesson_as_it_is(name):
    page, at = (PAGES / f"{name}.md").read_text(encoding="utf-8"), 0
    for cell in build.lesson_cells(name):
        at = page.find(cell.source if cell.is_text else f"```python\n{cell.source}\n```", at)
        assert at >= 0, f"make lessons ARGS={name}: line {cell.line} has changed since the page was made"


def test_pictures_are_small_and_each_belongs_to_a_page():
    shown = {
        picture
        for name in build.names()
        for picture in re.findall(
            r"!\[.+\]\(figures/(.+)\)", (PAGES / f"{name}.md").read_text(encoding="utf-8")
        )
    }
    files = {path.name: path.stat().st_size for path in (PAGES / "figures").iterdir()}
    assert shown == files.keys()
    assert max(files.values()) <= build.LARGEST


def test_a_notebook_has_the_cells_of_its_lesson():
    cells = build.lesson_cells("1_batches")
    title, install, *others = build.notebook(cells)["cells"]
    assert title["source"][0] == "# 1. Batches, padding and masks\n"
    assert install["source"][0].startswith("# Where seq2scene is not installed")
    shown = [title, *others]
    assert [one["cell_type"] for one in shown] == ["markdown" if c.is_text else "code" for c in cells]
    captions = [f"# {cell.caption}\n" if cell.caption else "" for cell in cells]
    sources = [caption + cell.source for caption, cell in zip(captions, cells, strict=True)]
    assert ["".join(one["source"]) for one in shown] == sources
    assert len({one["id"] for one in (*shown, install)}) == len(cells) + 1
