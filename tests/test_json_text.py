"""JSON output is valid JSON."""

import json
from pathlib import Path

import pytest

from seq2scene.json_text import to_json, write_json

NAN, INFINITY = float("nan"), float("inf")


def test_what_is_no_number_is_null_however_deep(tmp_path: Path) -> None:
    value = {"a": NAN, "b": [1.5, -INFINITY, {"c": (INFINITY, "NaN")}], "d": True}
    write_json(tmp_path / "x.json", value)
    for text in (to_json(value), (tmp_path / "x.json").read_text()):
        read = json.loads(text, parse_constant=pytest.fail)
        assert read == {"a": None, "b": [1.5, None, {"c": [None, "NaN"]}], "d": True}


def test_finite_values_and_options_are_those_of_the_library() -> None:
    value = {"b": [0.1, "ü"], "a": None}
    assert to_json(value, ensure_ascii=False, sort_keys=True) == '{"a": null, "b": [0.1, "ü"]}'
    with pytest.raises(TypeError):
        to_json({"x": object()})
