"""The reference of all options, a page for each group of ``conf/`` and one for the commands, from the files
and their comments.

    python docs/configuration_reference.py FOLDER
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from seq2scene.running.options.option_list import commented

CONF = Path(__file__).resolve().parents[1] / "conf"
HIDDEN = ("hydra", "experiment")  # Hydra's own, and a page that would repeat the others


def reference() -> dict[str, str]:
    """Markdown by the name of the page."""
    groups = sorted(path for path in CONF.iterdir() if path.is_dir() and path.name not in HIDDEN)
    commands = [path for path in sorted(CONF.glob("*.yaml")) if "_" not in path.stem]
    pages = {group.name: _group(group) for group in groups}
    shared = [path for path in sorted(CONF.glob("*.yaml")) if "_" in path.stem]
    pages["commands"] = "# Commands\n\n" + "".join(
        _option(path, f"seq2scene {path.stem}") for path in commands
    )
    pages["shared"] = "# Shared values\n\nFiles that options of several groups include.\n\n"
    pages["shared"] += "".join(_option(path, path.stem) for path in shared)
    return pages


def _group(folder: Path) -> str:
    files = sorted(folder.rglob("*.yaml"))
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in files]
    parts = [_option(path, f"{folder.name}={name}") for path, name in zip(files, names, strict=True)]
    return f"# {folder.name}\n\n" + "".join(parts)


def _option(path: Path, title: str) -> str:
    """A section: the comment at the file's head, what it includes, and its keys."""
    includes, rows, builds = [], [], None
    for key, value, comment in commented(path):
        if key == "defaults" or key.startswith("defaults."):
            includes.append(value if key == "defaults" else f"{key.removeprefix('defaults.')}: {value}")
        elif key == "_target_":
            builds = value
        elif not key:
            rows.append(("", "", comment))
        else:
            rows.append((f"`{key}`", _code(value), comment))
    text = f"## {title}\n\n" + "".join(f"{line}\n" for line in _head(path))
    if builds:
        text += f"\nBuilds `{builds}`.\n"
    if includes:
        text += f"\nIncludes {', '.join(f'`{one}`' for one in includes)}.\n"
    if rows:
        table = "".join(f"| {' | '.join(_cell(cell) for cell in row)} |\n" for row in rows)
        text += f"\n| key | value | meaning |\n|---|---|---|\n{table}"
    return f"{text}\n"


def _head(path: Path) -> Iterator[str]:
    """The comment at the head of a config, examples as code."""
    example = False
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if line == "# @package _global_":
            continue
        indented = line.startswith("#   ")
        if indented != example:
            yield "```\n" if example else "\n```text"
        example = indented
        text = line.removeprefix("#").strip()
        yield text if indented else _escaped(text)
    if example:
        yield "```"


def _code(value: str) -> str:
    return "required" if value == "???" else f"`{value}`" if value else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|") if text.startswith("`") else _escaped(text).replace("|", "\\|")


def _escaped(text: str) -> str:
    """Plain text in which Markdown sees no markup."""
    return "".join(f"\\{one}" if one in "*_<>[]`" else one for one in text)


def write(folder: Path) -> None:
    """Writes the pages that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in reference().items():
        path = folder / f"{name}.md"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
