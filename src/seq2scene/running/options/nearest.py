"""Names and keys that somebody may have meant by one that does not exist."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher, get_close_matches
from typing import Any

ALIKE = 0.65  # the least similarity of names that are taken for one another, from 0 to 1
SHOWN = 3


def nearest(name: str, good: Sequence[str]) -> list[str]:
    """The names of which ``name`` may be a misspelling, the likeliest first; or else a part."""
    parts = [one for one in good if len(name) > 3 and name.casefold() in one.casefold()]
    return _misspelt(name, good) or parts[:SHOWN]


def _misspelt(name: str, good: Sequence[str]) -> list[str]:
    plain, meant = {one.casefold(): one for one in good}, name.casefold()
    near = get_close_matches(meant, plain, SHOWN, ALIKE)
    return [plain[one] for one in near if _likeness(one, meant) > _likeness(near[0], meant) - 0.05]


def nearest_keys(key: str, config: Mapping[str, Any]) -> list[str]:
    """Dotted keys of a nested config that somebody may have meant by ``key``: alike in every part; or
    otherwise, wherever they are, those whose last part is the same, or else nearly.
    """
    found: list[tuple[str, Any]] = [("", config)]
    for part in key.split("."):
        found = [
            (f"{start}.{name}".lstrip("."), below[name])
            for start, below in found
            if isinstance(below, Mapping)
            for name in ([part] if part in below else _misspelt(part, list(below)))
        ]
    if found:
        return [one for one, _ in found[:SHOWN]]
    last = key.rpartition(".")[2]
    likeness = {one: _likeness(one.rpartition(".")[2], last) for one in _keys(config)}
    alike = [one for one in likeness if likeness[one] == 1.0] or [
        one for one in likeness if likeness[one] > 0.85 and not one.startswith("hydra.")
    ]
    return sorted(alike, key=lambda one: -_likeness(one, key))[:SHOWN]


def or_other(names: Sequence[str]) -> str:
    """``did you mean A, B or C?``"""
    return f"did you mean {' or '.join(filter(None, [', '.join(names[:-1]), names[-1]]))}?"


def at(config: Any, key: str) -> tuple[Any, bool]:
    """The value at a dotted key, and whether there is one."""
    for part in key.split("."):
        if not isinstance(config, Mapping) or part not in config:
            return None, False
        config = config[part]
    return config, True


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()


def _keys(config: Mapping[str, Any], start: str = "") -> Iterator[str]:
    for name, value in config.items():
        yield f"{start}{name}"
        if isinstance(value, Mapping):
            yield from _keys(value, f"{start}{name}.")
