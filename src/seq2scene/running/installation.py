"""Where this package is: in a checkout, with conf/ and src/ around it, or installed on its own."""

import os
import re
import sys
from pathlib import Path

from platformdirs import user_cache_path

PACKAGE = Path(__file__).resolve().parents[1]
CHECKOUT = None if (PACKAGE / "conf").is_dir() else PACKAGE.parents[1]  # None: installed, with its configs
CONF = (CHECKOUT or PACKAGE) / "conf"
MOST_SHAPES = 128  # more than the operations of a training step


def set_places() -> None:
    """Sets the environment variables with which ``conf/paths`` begins, unless they are set: data, runs and
    caches lie in the checkout, or else in the current folder and the user's cache folder.
    """
    os.environ.setdefault("SEQ2SCENE_ROOT", str(CHECKOUT or Path.cwd()))
    if CHECKOUT is None:
        os.environ.setdefault("SEQ2SCENE_CACHE", str(user_cache_path("seq2scene", appauthor=False)))


def bound_caches() -> None:
    """Bounds the memory that grows with every new shape of a batch on a CPU, unless the variables are set:
    PyTorch and oneDNN each keep a compiled operation for the last 1,024 shapes, about 1 MB each. It has no
    effect on what PyTorch has computed already.
    """
    for variable in ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):
        os.environ.setdefault(variable, str(MOST_SHAPES))


def program(name: str) -> list[str]:
    """What starts the command ``name`` of this very package in another process, before its arguments."""
    if CHECKOUT is not None:
        return [sys.executable, str(CHECKOUT / "src" / f"{name}.py")]
    return [sys.executable, "-P", "-m", "seq2scene", name]  # -P: the current folder hides no module


def as_called(text: str) -> str:
    """``text`` with ``seq2scene NAME`` in place of ``python src/NAME.py``, unless this process runs a script
    of a checkout.
    """
    script = Path(sys.argv[0]).resolve()
    if script == PACKAGE / "__main__.py":
        called = "python -m seq2scene"
    elif CHECKOUT is None or script.suffix != ".py":
        called = "seq2scene"
    else:
        return text
    return re.sub(r"\bpython src/(\w+)\.py\b", rf"{called} \1", text)
