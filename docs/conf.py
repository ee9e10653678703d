"""The site: ``make docs``. Pages are Markdown that reads on its own; nothing is loaded from other servers."""

import os
import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "src")]

from configuration_reference import write  # noqa: E402

import seq2scene  # noqa: E402

write(HERE / "_generated" / "configuration")

project = "seq2scene"
author = "the seq2scene authors"
release = version = seq2scene.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "lessons/README.md"]
html_theme = "furo"
html_title = f"seq2scene {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/icon.svg"

myst_heading_anchors = 4

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
add_module_names = False
python_use_unqualified_type_names = True

OPTIONAL = re.compile(r"^([\w/]+)\*\n", re.M)  # of a contents list: pages that need not be there
ELSEWHERE = re.compile(r"# .*\n\n\[.*\]\((\.\./\S+\.md)\)\n")
CODE = re.compile(r"(``.*?``)")


def drop_absent(app: Sphinx, docname: str, source: list[str]) -> None:
    """Sphinx warns of patterns that match no page."""
    if docname == app.config.root_doc:
        source[0] = OPTIONAL.sub(
            lambda found: found[0] if any(HERE.glob(f"{found[1]}*.md")) else "", source[0]
        )


def read_elsewhere(app: Sphinx, docname: str, source: list[str]) -> None:
    """A page that only links to a file outside this folder shows that file, its links leading to pages."""
    link = ELSEWHERE.fullmatch(source[0])
    if link is None:
        return
    path = (HERE / link[1]).resolve()
    pages = {
        (HERE / found[1]).resolve(): page.name
        for page in HERE.glob("*.md")
        if (found := ELSEWHERE.fullmatch(page.read_text(encoding="utf-8")))
    }

    def page(found: re.Match[str]) -> str:
        target = (path.parent / found[1]).resolve()
        return f"]({pages.get(target, os.path.relpath(target, HERE))}{found[2] or ''})"

    text = re.sub(r"\]\(([^)#:\s]+)(#[^)\s]*)?\)", page, path.read_text(encoding="utf-8"))
    source[0] = re.sub(r"\A#(?=\w)", "# ", text)
    app.env.note_dependency(str(path))


def plain(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Docstrings are plain text with ``code``: no other markup is meant."""
    for number, line in enumerate(lines):
        parts = CODE.split(line)
        lines[number] = "".join(
            part if part.startswith("``") else re.sub(r"([*|_`\\])", r"\\\1", part) for part in parts
        )


def setup(app: Sphinx) -> None:
    app.connect("source-read", drop_absent)
    app.connect("source-read", read_elsewhere)
    app.connect("autodoc-process-docstring", plain, priority=400)  # before Napoleon reads sections
