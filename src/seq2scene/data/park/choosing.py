"""Which park a data module reads: seed and sizes, an argument of each module that is ``made_by`` a writer."""

from collections.abc import Callable, Mapping
from functools import cached_property, wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, get_args

from seq2scene.errors import UserError

LARGEST_SEED = 2**32 - 1


def made_by(ensure: Callable[..., Path], **least: int) -> Callable[[type], type]:
    """Decorates data modules whose files ``ensure(root, seed, train, ...)`` writes on first use.

    Their constructor takes ``park``, the seed and the size of each set; what it leaves out is as in
    ``ensure``. ``folder`` is where the files of this choice are. least: of sets that need more than 1.
    Raises UserError, before anything is written, for other names and for numbers without a meaning.
    """
    options = {name: p for name, p in signature(ensure).parameters.items() if name != "root"}
    usual = {name: p.default for name, p in options.items()}
    words = {name: get_args(p.annotation) for name, p in options.items() if get_args(p.annotation)}

    def decorate(module: type) -> type:
        plain = module.__init__

        @wraps(plain)
        def __init__(self, *arguments: Any, park: dict | None = None, **others: Any) -> None:
            self.park = chosen(park or {}, usual, least, words)
            plain(self, *arguments, **others)

        # What a config may say is read from the signature and the hints of the constructor.
        known = signature(plain)
        own = Parameter("park", Parameter.KEYWORD_ONLY, default=None)
        __init__.__signature__ = known.replace(parameters=[*known.parameters.values(), own])
        __init__.__annotations__ = {**plain.__annotations__, "park": dict | None}
        folder = cached_property(lambda self: ensure(self.root, **self.park))
        folder.__set_name__(module, "folder")
        module.__init__, module.folder = __init__, folder
        return module

    return decorate


def chosen(
    given: Mapping[str, int | str],
    usual: Mapping[str, int | str],
    least: Mapping[str, int],
    words: Mapping[str, tuple[str, ...]],
) -> dict[str, int | str]:
    """The ``usual`` seed, sizes and words, but for those ``given``; raises UserError where these mean
    nothing.
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
