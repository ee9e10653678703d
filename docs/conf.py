"""The site: ``make docs``. Pages are Markdown that reads on its own; nothing is loaded from other servers."""

import html
import os
import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util.logging import getLogger
from sphinx.writers.html5 import HTML5Translator

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "src")]

from configuration_reference import write  # noqa: E402

import seq2scene  # noqa: E402

write(HERE / "_generated" / "configuration")

project = "seq2scene"
author = "the seq2scene authors"
copyright = f"2026, {author}"
release = version = seq2scene.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "lessons/README.md"]
html_theme = "furo"
html_title = f"seq2scene {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/icon.svg"

myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
html_math_renderer = "mathml"  # which browsers draw themselves

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
add_module_names = False
python_use_unqualified_type_names = True

ELSEWHERE = re.compile(r"# .*\n\n\[.*\]\((\.\./\S+\.md)\)\n")
CODE = re.compile(r"(``.*?``)")


def read_elsewhere(app: Sphinx, docname: str, source: list[str]) -> None:
    """A page that begins with a link to a file outside this folder shows that file there; links to such
    files lead to their pages.
    """
    own = HERE / f"{docname}.md"
    path = shown(own) or own
    pages = {shown(page): page for page in HERE.glob("*.md") if shown(page)}

    def link(found: re.Match[str]) -> str:
        target = (path.parent / found[1]).resolve()
        return f"]({os.path.relpath(pages.get(target, target), own.parent)}{found[2] or ''})"

    if path != own:
        source[0] = path.read_text(encoding="utf-8") + ELSEWHERE.sub("", source[0], count=1)
        app.env.note_dependency(str(path))
    source[0] = re.sub(r"\]\(([^)#:\s]+)(#[^)\s]*)?\)", link, source[0])


def shown(page: Path) -> Path | None:
    """The file that a page shows, if it begins with a link to it."""
    link = ELSEWHERE.match(page.read_text(encoding="utf-8"))
    return link and (page.parent / link[1]).resolve()


def plain(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Docstrings are plain text with ``code``: no other markup is meant."""
    for number, line in enumerate(lines):
        parts = CODE.split(line)
        lines[number] = "".join(
            part if part.startswith("``") else re.sub(r"([*|_`\\])", r"\\\1", part) for part in parts
        )


def mathml(node: nodes.Element, as_block: bool = False) -> str:
    """A formula as MathML; sizes of brackets, which docutils does not know, are left to the browser. An index
    would be put below an accented letter, and a function close to the name of another.
    """
    text = re.sub(r"\\[bB]igg?[lr]?(?![a-zA-Z])", "", node.astext())
    text = re.sub(r"(\\(?:bar|tilde|hat) ?\w)(?=_)", r"\1{}", text)
    text = re.sub(r"\\(exp|log) ?(?=\\mathrm)", r"\\\1\\,", text)
    try:
        return tex2mathml(text, as_block=as_block)
    except MathError as error:
        getLogger(__name__).warning("%s: %s", text, error, location=node)
        return f"<code>{html.escape(text)}</code>"


def inline_math(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(mathml(node))
    raise nodes.SkipNode


def math_block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(f"<p>{mathml(node, as_block=True)}</p>")
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("mathml", (inline_math, None), (math_block, None))
    app.connect("source-read", read_elsewhere)
    app.connect("autodoc-process-docstring", plain, priority=400)  # before Napoleon reads sections
