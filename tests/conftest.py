"""Fixtures that many tests share. What takes seconds to import is imported in them: of parallel runs, the
process that hands out the tests does without.
"""

import fcntl
import gc
import os
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """Where tests are collected: what is imported is not garbage, and to go through it takes seconds."""
    if hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None):
        gc.disable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of parallel runs: files with slow tests come first, so that all workers end at about the same time."""
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Where tests run: clip art, the same in every park, is drawn once. What was imported stays: collections
    of garbage need not go through it again and again, nor often.
    """
    import composing  # noqa: F401
    import seq2scene.running.entry  # noqa: F401  (the configs' variables)
    from seq2scene.data.park import scenes_writing

    scenes_writing.clip_art = cache(scenes_writing.clip_art)
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the published data sets; tests that want it skip where it is absent."""
    folder = Path(os.environ.get("SEQ2SCENE_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(
            "published data not at hand: set SEQ2SCENE_TEST_DATA to the folder that holds multi30k/ ..."
        )
    return folder


@pytest.fixture(scope="session")
def common(tmp_path_factory) -> Path:
    """A folder for what takes seconds to make: of parallel runs, the same one."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


# Two models of one small corpus, trained once for all tests that load checkpoints


@dataclass(frozen=True)
class Models:
    """folder: holds the corpus, SPLIT.x and SPLIT.y. a, b: the checkpoints of two seeds."""

    folder: Path
    a: Path
    b: Path


@pytest.fixture(scope="session")
def models(common: Path) -> Models:
    """Trained to write words backwards, for as long as it takes to prefer some words to others."""
    folder = common / "models"
    with (common / "models.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (found := sorted(folder.glob("outputs/pair/*/[01]/best.ckpt"))):
            _train_models(folder)
            found = sorted(folder.glob("outputs/pair/*/[01]/best.ckpt"))
    return Models(folder, *found)


def _train_models(folder: Path) -> None:
    from entry_points import run

    folder.mkdir(exist_ok=True)
    rng = random.Random(0)
    for split, count in (("train", 120), ("val", 8), ("test", 11)):
        lines = [[rng.choice("abcdefgh") for _ in range(rng.randint(1, 7))] for _ in range(count)]
        for side, texts in (("x", lines), ("y", [line[::-1] for line in lines])):
            (folder / f"{split}.{side}").write_text("".join(" ".join(text) + "\n" for text in texts))
    files = [f"data.{split}=[{folder}/{split}.x,{folder}/{split}.y]" for split in ("train", "val")]
    arguments = ["-m", "task=nmt", "seed=1,2", "debug=tiny", "test=false", "name=pair", *files]
    arguments += ["data=text_files", "data.source=en", "data.target=de", "data.tokenizer=whitespace"]
    arguments += ["optimizer.lr=0.02", "data.batch_size=16", "trainer=cpu", "trainer.limit_train_batches=1.0"]
    arguments += ["trainer.enable_progress_bar=false", "~callbacks.samples", "trainer.max_epochs=3"]
    run("train.py", *arguments, work=folder)


# Small worlds, for tests that only read them


@pytest.fixture(scope="session")
def park_scenes(common: Path) -> Path:
    """A few scenes of the park in the format of Abstract Scenes."""
    from seq2scene.data.park.scenes_writing import ensure_scenes

    return ensure_scenes(common / "scenes", train=24, val=4, test=4)


@pytest.fixture(scope="session")
def park_photos(common: Path) -> Path:
    """A few photos of the park in the format of COCO."""
    from seq2scene.data.park.photos_writing import ensure_photos

    return ensure_photos(common / "photos", train=24, val=6)


@pytest.fixture(scope="session")
def composed():
    """Composes a config as an entry point would."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    def make(name: str, *overrides: str):
        with initialize_config_dir(f"{ROOT}/conf", version_base="1.3"):
            return compose(name, [*overrides])

    yield make
    GlobalHydra.instance().clear()
