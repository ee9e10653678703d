"""Sentences and paths on the command line: the value of such a key is exactly what was typed, whatever
Hydra's grammar would make of it.

Entry points quote these values before Hydra sees them. This module alone lists the keys.
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
PATHS = (  # and names of runs, which become folder names
    *("file", "image", "out", "pictures", "source", "target", "resume", "init", "mirror"),
    *("name", "run", "to"),
    *("replace_unk", "learn_dictionary", "gold", "gold_text", "sentence_vectors"),
    *("patches", "photos", "inpainter", "captioner", "realism", "rerank", "scene"),
    *("paths.root", "paths.data", "paths.outputs", "paths.cache", "hydra.run.dir", "hydra.sweep.dir"),
    *("data.root", "data.cache", "data.photos", "data.val_images", "data.captions", "data.pngs"),
    *(f"data.composites.{name}" for name in ("root", "photos", "captions", "train", "val")),
    "reports.captions.meteor_jar",
    *("canvas.weights", "image_encoder.weights", "logger.wandb.project", "logger.wandb.group"),
)
LISTS = (  # one path, or [several]; *: any name
    *("ckpt", "models", "data.train", "data.val", "data.tests.*", "data.word_vectors"),
)
# A path, or how many or which share
OR_NUMBERS = ("pictures", "data.val_images", "data.val", "data.tests.*", "data.composites.val")

NUMBER = re.compile(r"\d+|\d*\.\d+")
ARGUMENT = re.compile(r"\+{0,2}([\w.]+)=(.*)", re.DOTALL)
SINGLE, DOUBLE = (rf"{mark}(?:\\.|[^\\{mark}])*{mark}" for mark in "'\"")
ELEMENT = re.compile(rf"\s*({SINGLE}|{DOUBLE}|\[[^]]*\]|[^,]*?)\s*(?:,|$)", re.DOTALL)
SWEEP = re.compile(r"(?:choice|glob|shuffle|sort|tag)\(.*\)", re.DOTALL)  # Hydra's own functions


def quote_arguments() -> None:
    """Quotes the sentences and paths among this process's arguments; see ``quoted``."""
    with user_errors():
        sys.argv[1:] = quoted(sys.argv[1:])


def quoted(arguments: Sequence[str]) -> list[str]:
    """An entry point's arguments, quoted so that sentences and paths pass through Hydra unchanged.

    Single quotes around a text are removed, as in Hydra's manual; double quotes are part of it. In a path,
    ``null``, ``~/``, ``${...}`` and quotes of either kind around the whole keep their meaning, as do brackets
    for keys that take several paths, and commas in a sweep (``-m``).

    Raises UserError for a text that is not UTF-8.
    """
    sweep = any(one in ("-m", "hydra.mode=MULTIRUN") or one.startswith("--m") for one in arguments)
    return [_quoted(argument, sweep) for argument in arguments]


def _quoted(argument: str, sweep: bool) -> str:
    parts = ARGUMENT.fullmatch(argument)
    if parts is None:
        return argument
    name, value = parts.groups()
    takes_several, or_number = (
        any(fnmatchcase(name, pattern) for pattern in names) for names in (LISTS, OR_NUMBERS)
    )
    numbers = or_number and all(map(NUMBER.fullmatch, value.split(",")))
    if name in TEXTS:
        value = _text(name, value)
    elif (takes_several or name in PATHS) and not numbers:
        value = _sweep(value, takes_several) if sweep else _path(value, takes_several)
    return argument[: parts.start(2)] + value


def _text(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UserError(f"{name}: not UTF-8; set the terminal to UTF-8, or give the text in a file") from None
    if re.fullmatch(SINGLE, value, re.DOTALL):
        return value
    return _quote(re.sub(r"(\\*)\$\{", r"\1\1\\${", value))  # escapes interpolation, in OmegaConf's way


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
    """The comma-separated elements, without surrounding spaces."""
    return [match[1] for match in ELEMENT.finditer(value) if match[1]]


def _quote(value: str) -> str:
    return QuotedString(value, Quote.single).with_quotes()
