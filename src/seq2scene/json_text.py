"""Standard JSON: the only module that writes it."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def to_json(value: Any, **options: Any) -> str:
    """Plain containers as JSON (RFC 8259), which has no NaN or infinity: these become null.

    options: passed to ``json.dumps``.
    """
    try:
        return json.dumps(value, allow_nan=False, **options)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, **options)


def write_json(path: Path, value: Any) -> None:
    """Writes ``value`` as indented JSON in UTF-8."""
    path.write_text(to_json(value, indent=2) + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
