"""The option ``park`` of the park's data modules: its seed and sizes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import ClassVar, get_args

from seq2scene.data.text_module import DataModule
from seq2scene.errors import UserError

LARGEST_SEED = 2**32 - 1


@dataclass(kw_only=True, eq=False)
class Park(DataModule):
    """Mixin for data modules whose files are generated under ``root`` on first use.

    write: ``write(root, seed, train, ...)`` writes the files unless they exist, and returns their folder; its
    defaults are those of ``park``. least: the smallest value of a number if it is not 1.

    Raises UserError, before anything is written, for unknown names and numbers out of range.
    """

    write: ClassVar[Callable[..., Path]]
    least: ClassVar[Mapping[str, int]] = {}

    park: dict | None = None  # options of ``write`` by name; missing ones have their defaults

    def __post_init__(self) -> None:
        options = {name: p for name, p in signature(self.write).parameters.items() if name != "root"}
        usual = {name: p.default for name, p in options.items()}
        words = {name: get_args(p.annotation) for name, p in options.items() if get_args(p.annotation)}
        self.park = chosen(self.park or {}, usual, self.least, words)
        super().__post_init__()

    @cached_property
    def folder(self) -> Path:
        return self.write(Path(self.root), **(self.park or {}))


def chosen(
    given: Mapping[str, int | str],
    usual: Mapping[str, int | str],
    least: Mapping[str, int],
    words: Mapping[str, tuple[str, ...]],
) -> dict[str, int | str]:
    """The ``usual`` options, overridden by the ``given`` ones; raises UserError if these are invalid.

    words: the choices for each option whose value is a word.
    """
    for name, value in given.items():
        if name not in usual:
            raise UserError(f"data.park.{name} is not an option; options are {', '.join(usual)}")
        if name in words:
            if value not in words[name]:
                raise UserError(
                    f"data.park.{name}={value} is not a choice; choose {' or '.join(words[name])}"
                )
            continue
        low, high = (0, LARGEST_SEED) if name == "seed" else (least.get(name, 1), None)
        if type(value) is not int or value < low or (high is not None and value > high):
            wanted = f"from {low} to {high}" if high else f"of {low} or more"
            raise UserError(f"data.park.{name}={value} must be a whole number {wanted}")
    return {**usual, **given}
