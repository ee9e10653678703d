"""Benchmarks: what every row would build and run composes from today's configs."""

import argparse
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rows_of_translation_translate() -> None:
    translation = script("translation")
    for overrides in [*translation.TRAINING.values(), *translation.SEARCHES.values()]:
        config = translation.configuration("train", overrides, "multi30k")
        assert config["task"]["name"] == "nmt" and config["data"]["root"] == "multi30k"
    config = translation.configuration("train", translation.SIZE, "multi30k")
    assert config["model"]["encoder"]["hidden_size"] == 128


@pytest.mark.parametrize("size", ["small", "paper"])
def test_rows_of_scenes_write_scenes(size) -> None:
    scenes = script("scenes")
    options = argparse.Namespace(data="nowhere", batch=None)
    for overrides in ([], scenes.BF16, scenes.BEAM):
        config = scenes.configuration("cpu", size, options, overrides)
        assert config["task"]["name"] == "abstract" and config["trainer"]["accelerator"] == "cpu"


def test_rows_of_composites_paste() -> None:
    config = script("composites").configuration(["data=coco_composite"])
    assert config["task"]["name"] == "composite" and "patch_encoder" in config
