"""The options of a command for its ``--help``, from the comments in its config."""

from collections.abc import Iterator
from pathlib import Path

import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType

NOT_CHOSEN = ("hydra", "prepare")  # groups that no option of train.py names


def option_list() -> str:
    """One line per option of the running command: its key, default and comment in the config.

    A comment on its own line is a heading. A group of the defaults list is included, with its options, if it
    has a comment; for ``NAME@group`` the keys are listed with their comments from the group's options. Dollar
    signs are doubled for Hydra's help template.
    """
    hydra = HydraConfig.get()
    (main,) = (source.path for source in hydra.runtime.config_sources if source.provider == "main")
    lines = _lines(Path(main), hydra.job.config_name)
    width = max(len(name) for name, _ in lines if name)
    shown = [f"  {name:{width}}  {comment}".rstrip() if name else f" {comment}" for name, comment in lines]
    return "\n".join(shown).replace("$", "$$")


def group_options(group: str) -> str:
    """The options of a config group, comma-separated."""
    return ", ".join(GlobalHydra.instance().config_loader().get_group_options(group))


def group_list() -> str:
    """One line per group, with its options; those in a folder of it have their path, ``FOLDER/NAME``."""
    groups = sorted(GlobalHydra.instance().config_loader().list_groups(""))
    return "\n".join(f"{one}: {', '.join(_options(one))}" for one in groups if one not in NOT_CHOSEN)


def _options(group: str) -> list[str]:
    get = GlobalHydra.instance().config_loader().get_group_options
    folders = get(group, ObjectType.GROUP)
    return [*get(group), *(f"{one}/{name}" for one in folders for name in _options(f"{group}/{one}"))]


def _lines(folder: Path, config: str) -> list[tuple[str, str]]:
    """The name and comment of each option; an empty name for a heading."""
    groups: list[tuple[str, str]] = []
    values, lines = groups.copy(), groups.copy()
    for key, value, comment in commented(folder / f"{config}.yaml"):
        first, _, group = key.partition(".")
        if not first:
            lines.append(("", comment))
        elif key == "defaults" and "_values@" in value:
            values += _values(folder, *value.split("@"))
        elif first == "defaults" and comment:
            groups.append((f"{group}={value}", f"{comment}; one of {group_options(group)}"))
            values += _parts(folder, group)
        elif first != "defaults":
            lines.append((f"{key}={'...' if value == '???' else value}", comment))
    if groups:
        groups.insert(0, ("", "Groups"))
    return [*lines, *groups, *values]


def _parts(folder: Path, group: str) -> list[tuple[str, str]]:
    """The parts that options of a group describe, each under its own name, and their keys."""
    lines = []
    for path in sorted((folder / group).glob("*.yaml")):
        (first, _, what), *keys = commented(path)
        if first == f"{path.stem}._target_":
            lines.append((f"{group}={path.stem}", what))
            lines += [
                (f"{group}.{key}={'...' if value == '???' else value}", told) for key, value, told in keys
            ]
    return [("", f"Values of {group}"), *lines] if lines else []


def _values(folder: Path, name: str, group: str) -> list[tuple[str, str]]:
    told = ((f"{group}.{key}", comment) for key, _, comment in commented(folder / f"{name}.yaml"))
    return [("", f"Values of {group}"), *told]


def commented(path: Path) -> Iterator[tuple[str, str, str]]:
    """A config's dotted keys, their values as written and their trailing comments, in order; a comment on its
    own line between top-level keys has an empty key. Hydra's own keys are left out.
    """
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    end: int | None = None
    root = yaml.compose(text, yaml.SafeLoader)  # None of a file of comments alone
    for key, value in root.value if root else ():
        if key.value == "hydra":
            continue
        between = lines[end : key.start_mark.line] if end is not None else []
        yield from (("", "", line.strip("# ")) for line in between if line.startswith("#"))
        yield from _entries(key.value, value, lines)
        end = value.end_mark.line


def _entries(name: str, value: yaml.Node, lines: list[str]) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, yaml.SequenceNode) and not value.flow_style:
        for one in value.value:
            yield from _entries(name, one, lines)
    elif isinstance(value, yaml.MappingNode) and not value.flow_style:
        for key, below in value.value:
            yield from _entries(f"{name}.{key.value}", below, lines)
    else:
        line, start, stop = lines[value.end_mark.line], value.start_mark.column, value.end_mark.column
        yield name, line[start:stop], line[stop:].partition("#")[2].strip()
