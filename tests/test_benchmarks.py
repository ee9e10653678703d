"""Benchmarks: every row composes from the current configs."""

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "benchmarks"))  # some import others


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_rows_of_translation_translate() -> None:
    translation = script("translation")
    for overrides in [*translation.TRAINING.values(), *translation.SEARCHES.values()]:
        config = translation.configuration("train", overrides, "multi30k")
        assert config["task"]["name"] == "nmt" and config["data"]["root"] == "multi30k"
    config = translation.configuration("train", translation.SIZE, "multi30k")
    assert config["model"]["encoder"]["hidden_size"] == 128


@pytest.mark.slow
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


def test_captions_name_what_photos_have(tmp_path, capsys, monkeypatch) -> None:
    names = {1: "dog", 2: "hot dog", 3: "person"}
    told = {
        "categories": [{"id": number, "name": name} for number, name in names.items()],
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
        "annotations": [{"image_id": 1, "category_id": 2}, {"image_id": 1, "category_id": 3}],
    }
    rows = [
        {"image": "a.jpg", "caption": "A man eats two hot dogs.", "references": ["a man"]},
        {"image": "b.jpg", "caption": "a dog on a doghouse", "references": ["grass"]},
    ]
    instances, captions = tmp_path / "instances.json", tmp_path / "captions.jsonl"
    instances.write_text(json.dumps(told))
    captions.write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setattr("sys.argv", ["", str(captions), str(instances), "--also", "man=person"])
    script("named_objects").main()
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "people named 1 there 1 (1.000) all 1.000",
        "captions named 3 there 2 (0.667) all 0.500",
        "captions, shuffled named 3 there 0 (0.000) all 0.000",
    ]
    scenes = [
        {
            "sentences": ["A dog sits.", "A person stands."],
            "objects": [{"class": "dog"}, {"class": "hot dog"}],
        },
        {"sentences": ["A hot dog."], "objects": [{"class": "hot dog"}]},
    ]
    captions.write_text("\n".join(map(json.dumps, scenes)))
    script("named_objects").main()
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "scenes named 3 there 2 (0.667) all 0.500",
        "scenes, shuffled named 3 there 1 (0.333) all 0.500",
    ]
