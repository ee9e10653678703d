"""Sentences and paths on the command line: such a key's value is what was typed, whatever Hydra's grammar
would make of it.

An entry point quotes these values before Hydra sees them. Which keys they are stands here, and nowhere else.
"""

import re
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from hydra.core.override_parser.types import Quote, QuotedString

from seq2scene.errors import UserError
from seq2scene.running.entry import user_errors

TEXTS = ("text", "prefix")
PATHS = (  # and names of runs, which become those of folders
    *("file", "image", "out", "pictures", "source", "target", "resume", "mirror", "name"),
    *("replace_unk", "learn_dictionary", "gold", "gold_text", "sentence_vectors"),
    *("patches", "photos", "inpainter", "captioner", "realism"),
    *("paths.root", "paths.data", "paths.outputs", "paths.cache", "hydra.run.dir", "hydra.sweep.dir"),
    *("data.root", "data.cache", "data.photos", "data.glove", "data.val_images", "data.composites.root"),
    *("canvas.weights", "image_encoder.weights", "logger.wandb.project", "logger.wandb.group"),
)
LISTS = ("ckpt", "data.train", "data.val", "data.tests.*")  # one path, or [several]; a star for any name
OR_NUMBERS = ("pictures", "data.val_images")  # a path, or how many

ARGUMENT = re.compile(r"\+{0,2}([\w.]+)=(.*)", re.DOTALL)
SINGLE, DOUBLE = (rf"{mark}(?:\\.|[^\\{mark}])*{mark}" for mark in "'\"")
ELEMENT = re.compile(rf"\s*({SINGLE}|{DOUBLE}|\[[^]]*\]|[^,]*?)\s*(?:,|$)", re.DOTALL)
SWEEP = re.compile(r"(?:choice|glob|shuffle|sort|tag)\(.*\)", re.DOTALL)  # Hydra's own functions


def quote_arguments() -> None:
    """Quotes the sentences and paths among this process's arguments; see ``quoted``."""
    with user_errors():
        sys.argv[1:] = quoted(sys.argv[1:])


def quoted(arguments: Sequence[str]) -> list[str]:
    """The arguments of an entry point as Hydra must see them, so that sentences and paths arrive as they are.

    A text in single quotes, as Hydra's manual has it, arrives without them; double ones are part of it. In a
    path ``null``, ``~/``, ``${...}`` and quotes of either kind around it all keep their meaning, as do
    brackets for keys that take several, and commas in a sweep (``-m``).

    Raises UserError for a text that is no UTF-8.
    """
    sweep = any(one in ("-m", "hydra.mode=MULTIRUN") or one.startswith("--m") for one in arguments)
    return [_quoted(argument, sweep) for argument in arguments]


def _quoted(argument: str, sweep: bool) -> str:
    parts = ARGUMENT.fullmatch(argument)
    if parts is None:
        return argument
    name, value = parts.groups()
    takes_several = any(fnmatchcase(name, pattern) for pattern in LISTS)
    if name in TEXTS:
        value = _text(name, value)
    elif takes_several or (name in PATHS and not (name in OR_NUMBERS and value.isdecimal())):
        value = _sweep(value, takes_several) if sweep else _path(value, takes_several)
    return argument[: parts.start(2)] + value


def _text(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UserError(f"{name}: not UTF-8; set the terminal to it, or give the text in a file") from None
    if re.fullmatch(SINGLE, value, re.DOTALL):
        return value
    return _quote(re.sub(r"(\\*)\$\{", r"\1\1\\${", value))  # no interpolation, as OmegaConf has it


def _sweep(value: str, takes_several: bool) -> str:
    if SWEEP.fullmatch(value):
        return value
    return ",".join(_path(element, takes_several) for element in _elements(value))


def _path(value: str, takes_several: bool) -> str:
    if takes_several and value.startswith("[") and value.endswith("]"):
        return f"[{','.join(_path(element, False) for element in _elements(value[1:-1]))}]"
    if value.lower() in ("", "null") or re.fullmatch(f"{SINGLE}|{DOUBLE}", value, re.DOTALL):
        return value
    return _quote(str(Path(value).expanduser()) if value.startswith("~") else value)


def _elements(value: str) -> list[str]:
    """What stands between commas, without the spaces around it."""
    return [match[1] for match in ELEMENT.finditer(value) if match[1]]


def _quote(value: str) -> str:
    return QuotedString(value, Quote.single).with_quotes()
