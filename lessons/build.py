"""Runs the lessons and makes a page and a notebook of each.

    python lessons/build.py              all lessons
    python lessons/build.py 5_attention  one of them

A lesson is a script in percent format: ``# %% [markdown]`` begins a cell of text, ``# %%`` one of code, and
what follows it on its line is the caption of the cell's pictures. As in a notebook, the value of a cell's
last line is shown. Pages go to docs/lessons, their pictures to docs/lessons/figures, notebooks to
lessons/notebooks.
"""

import argparse
import ast
import io
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from seq2scene.json_text import to_json

LESSONS = Path(__file__).resolve().parent
PAGES = LESSONS.parent / "docs" / "lessons"
NOTEBOOKS = LESSONS / "notebooks"
WIDEST = 1000  # pixels of a page's picture
LARGEST = 100_000  # bytes of its file
INSTALL = """# Where seq2scene is not installed, as in Colab: make a wheel of the project with
# pip wheel --no-deps . and upload it, and remove the # before the next line.
# %pip install --quiet seq2scene-*.whl"""


@dataclass(frozen=True)
class Cell:
    """A cell of a lesson. caption: of its pictures, if it is code. line: its first line in the script."""

    is_text: bool
    caption: str
    source: str
    line: int


@dataclass(frozen=True)
class Shown:
    """What a cell of code printed and drew."""

    printed: str
    pictures: Sequence[Image.Image]


def names() -> list[str]:
    """All lessons, in order."""
    return sorted(path.stem for path in LESSONS.glob("[0-9]_*.py"))


def read_cells(script: str) -> list[Cell]:
    """The cells of a script in percent format, without empty lines around them."""
    cells: list[Cell] = []
    lines = script.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("# %%")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        caption = lines[start].removeprefix("# %%").strip()
        is_text, body = caption == "[markdown]", lines[start + 1 : end]
        if is_text:
            body = [line.removeprefix("#").removeprefix(" ") for line in body]
        cells.append(Cell(is_text, "" if is_text else caption, "\n".join(body).strip("\n"), start + 2))
    return cells


def run_cell(cell: Cell, path: Path, made: dict[str, Any]) -> Shown:
    """Runs a cell of code of the script ``path`` with the names ``made`` by the cells before it."""
    tree = ast.parse("\n" * (cell.line - 1) + cell.source, str(path))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, pictures = io.StringIO(), []
    try:
        with redirect_stdout(printed):
            exec(compile(tree, str(path), "exec"), made)
            if last is not None:
                value = eval(compile(ast.Expression(last.value), str(path), "eval"), made)
                if isinstance(value, Image.Image):
                    pictures.append(value)
                elif value is not None:
                    print(repr(value))
    except BaseException:
        print(printed.getvalue(), end="")
        raise
    return Shown(printed.getvalue(), pictures)


def lesson_cells(name: str) -> list[Cell]:
    return read_cells((LESSONS / f"{name}.py").read_text(encoding="utf-8"))


def run_lesson(name: str, after: Callable[[Cell, Shown, dict[str, Any]], None]) -> None:
    """Runs a lesson. after: called with each cell once it has run, and with all names made so far."""
    made: dict[str, Any] = {"__name__": name}
    for cell in lesson_cells(name):
        shown = Shown("", []) if cell.is_text else run_cell(cell, LESSONS / f"{name}.py", made)
        after(cell, shown, made)


def notebook(cells: Sequence[Cell]) -> dict[str, Any]:
    """A notebook (nbformat 4.5) of a lesson, not yet run; below its title, how to install the project."""
    title, *others = cells
    shown = [title, Cell(False, "", INSTALL, 0), *others]
    made = [_notebook_cell(number, cell) for number, cell in enumerate(shown)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": made}


def _notebook_cell(number: int, cell: Cell) -> dict[str, Any]:
    caption = f"# {cell.caption}\n" if cell.caption else ""
    lines = (caption + cell.source).splitlines(keepends=True)
    if cell.is_text:
        return {"cell_type": "markdown", "id": f"cell-{number}", "metadata": {}, "source": lines}
    empty = {"execution_count": None, "outputs": []}
    return {"cell_type": "code", "id": f"cell-{number}", "metadata": {}, "source": lines, **empty}


class Page:
    """A lesson as Markdown, with what its cells print and draw. Pictures are saved as they come."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parts: list[str] = []
        self.drawn = 0
        for old in (PAGES / "figures").glob(f"{name}-*"):
            old.unlink()

    def add(self, cell: Cell, shown: Shown, _: dict[str, Any]) -> None:
        if cell.is_text:
            self.parts.append(cell.source)
            return
        self.parts.append(f"```python\n{cell.source}\n```")
        if shown.printed:
            self.parts.append(f"```text\n{shown.printed.rstrip()}\n```")
        for picture in shown.pictures:
            self.drawn += 1
            file = save_small(picture, PAGES / "figures" / f"{self.name}-{self.drawn}")
            self.parts.append(f"![{cell.caption}](figures/{file.name})")

    def text(self) -> str:
        lesson = f"`lessons/{self.name}.py`"
        about = f"<!-- Made by `make lessons` from {lesson}; change that. -->"
        every = names()
        place = every.index(self.name)
        beside = [("Before", every[place - 1 : place]), ("Next", every[place + 1 : place + 2])]
        links = [f"{word}: [{_title(other)}]({other}.md)" for word, others in beside for other in others]
        links.append(f"This page is {lesson}, run by `make lessons`, which also makes a notebook of it.")
        return "\n\n".join([about, *self.parts, "---", *links]) + "\n"


def _title(name: str) -> str:
    return lesson_cells(name)[0].source.splitlines()[0].removeprefix("# ")


def save_small(picture: Image.Image, path: Path) -> Path:
    """Writes a picture, at most ``WIDEST`` pixels across, in at most ``LARGEST`` bytes: as a PNG of 256
    colours or, if that is too large, as photos are, as a JPEG. path: without a suffix. Returns the file's.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = picture.convert("RGB")
    picture.thumbnail((WIDEST, 2 * WIDEST), Image.Resampling.LANCZOS)
    drawing, photo = path.with_suffix(".png"), path.with_suffix(".jpg")
    picture.quantize(256).save(drawing, optimize=True)
    if drawing.stat().st_size <= LARGEST:
        return drawing
    drawing.unlink()
    for quality in (90, 80, 70, 60):
        picture.save(photo, quality=quality)
        if photo.stat().st_size <= LARGEST:
            return photo
    raise ValueError(f"{photo}: {photo.stat().st_size} bytes; draw it smaller")


def build(name: str) -> None:
    """Runs a lesson; writes its page and its notebook."""
    page = Page(name)
    run_lesson(name, page.add)
    (PAGES / f"{name}.md").write_text(page.text(), encoding="utf-8")
    NOTEBOOKS.mkdir(exist_ok=True)
    made = to_json(notebook(lesson_cells(name)), indent=1)
    (NOTEBOOKS / f"{name}.ipynb").write_text(made + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs the lessons and makes a page and a notebook of each.")
    parser.add_argument("lesson", nargs="*", choices=[[], *names()], help="all if none is named")
    chosen = parser.parse_args().lesson or names()
    if "LESSONS_SMALL" in os.environ:
        sys.exit("LESSONS_SMALL is set: pages are made of whole lessons only")
    torch.set_num_threads(1)
    for name in chosen:
        start = time.process_time()
        build(name)
        print(f"{name}: {time.process_time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
