"""docs/python.md: every example runs, and no example imports what only training or plotting needs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seq2scene.building import build
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.models.folders import write_folder
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import Whitespace
from seq2scene.sequences.vocabulary import Vocabulary
from seq2scene.tasks.loading import build_task
from seq2scene.tasks.task import Task
from small_captioner import SMALL, small_captioner
from test_configs import compose_plain

pytestmark = pytest.mark.slow

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"
TRAINING = {"pytorch_lightning", "lightning_fabric", "torchmetrics", "hydra", "omegaconf", "matplotlib"}


def keep(task: Task, folder: Path) -> None:
    write_folder(folder, {"state_dict": task.state_dict(), "hyper_parameters": dict(task.hparams)}, {})


@pytest.fixture(scope="module")
def folder(models, park_scenes: Path, tmp_path_factory) -> Path:
    """A folder with a small model of each kind that the page names, and a photo."""
    folder = tmp_path_factory.mktemp("page")
    write_folder(folder / "my_translator", load_checkpoint(models.a), {})
    torch.manual_seed(0)
    language = Language(Whitespace(), Vocabulary.count([["Mike", "is", "happy."]]))
    config = compose_plain(folder, "task=lm", "debug=tiny", "search.max_length=9")
    keep(build_task(config, {"language": language.state()}), folder / "my_language_model")
    config = compose_plain(
        folder, "task=abstract", "model=relational", "debug=tiny_relational", "data=abstract_scenes",
        f"data.root={park_scenes}", f"data.cache={folder}/cache",
    )  # fmt: skip
    data = build(config["data"], "data")
    data.prepare_data()
    data.setup()
    keep(build_task(config, data.description()), folder / "my_scenes")
    keep(small_captioner(compose_plain(folder, *SMALL)), folder / "my_captioner")
    pixels = np.random.default_rng(0).integers(0, 256, (80, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "photo.jpg")
    return folder


def test_the_ten_examples_run_without_lightning_hydra_and_matplotlib(folder: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 10
    script = "\n".join(examples) + "\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])} & TRAINING
    assert (folder / "scene.png").stat().st_size > 0
    with Image.open(folder / "scene.gif") as moving:
        assert moving.size == (500, 400)
