"""The gallery shows the very scenes whose scores stand beside them, and which facts hold in them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seq2scene.building import build
from seq2scene.reports.scene.gallery import Gallery
from seq2scene.reports.scene.scene_drawing import scene_steps
from seq2scene.reports.scene.scenes import Scenes
from seq2scene.running.commands.evaluation import evaluate_task
from seq2scene.running.processes.trainers import filter_warnings, make_trainer
from seq2scene.scenes.scene_json import from_plain
from seq2scene.tasks.loading import build_task
from test_configs import compose_plain

pytestmark = pytest.mark.slow


def test_what_was_sampled_and_scored_is_what_is_shown(park_scenes: Path, tmp_path: Path) -> None:
    options = ["experiment=text2scene/park", "debug=tiny_scenes", "data=abstract_scenes"]
    options += [f"data.root={park_scenes}"]
    options += ["search=sample", "search.max_ratio=0", "search.max_extra=9", "search.temperature=3"]
    options += ["data.eval_batch_size=3", "trainer.limit_test_batches=2"]  # six of eight samples
    config = compose_plain(tmp_path, *options, "trainer=cpu")
    config["trainer"] |= {"enable_progress_bar": False, "enable_model_summary": False}
    filter_warnings()
    data = build(config["data"], "data")
    data.prepare_data()
    data.setup()
    torch.manual_seed(0)
    task = build_task(config, data.description()).eval()
    trainer = make_trainer(config["trainer"], logger=False, enable_checkpointing=False)
    evaluate_task(trainer, task, data, [Scenes(), Gallery(8)], tmp_path / "scored")
    rows = [json.loads(line) for line in (tmp_path / "scored" / "test.scenes.jsonl").read_text().splitlines()]
    assert len({tuple(one["class"] for one in row["objects"]) for row in rows}) > 4  # chance had its say
    assert len(rows) == 6 and [row["sample"] for row in rows] != list(range(6))
    gallery = tmp_path / "scored/test.gallery"
    page = (gallery / "index.html").read_text(encoding="utf-8")
    cards = {int(re.search(r"(\d+)\.strip", card)[1]): card for card in page.split('<div class="card"')[1:]}
    for row in rows:
        for kind, objects in (("generated", row["objects"]), ("true", row["truth"])):
            expected = scene_steps(task, from_plain([objects], task.schema))[-1]
            shown = np.asarray(Image.open(gallery / f"{row['sample']:04d}.{kind}.png"))
            assert np.array_equal(shown, expected)
        holding = [sign == "✓" for sign in re.findall("<li[^>]*>(.)", cards[row["sample"]])]
        assert sum(holding) / len(holding) == pytest.approx(row["scores"]["faithfulness"], abs=1e-4)
