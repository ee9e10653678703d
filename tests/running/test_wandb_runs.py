"""Runs in Weights & Biases, read back from disk; what each task logs is tested with its commands."""

import re

import numpy as np
import pytest
import torch
import wandb
from omegaconf import OmegaConf

from seq2scene.metrics.directions import lower_is_better
from seq2scene.running.callbacks.confusion import Counts
from seq2scene.running.wandb_runs import dashboard_name, wandb_logger
from test_configs import CONF
from wandb_records import offline_run, tables


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    for name in ("WANDB_MODE", "WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_API_KEY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "no_netrc"))
    wandb.teardown()  # W&B reads the environment once


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_home_that_cannot_be_written_and_a_missing_account_stop_nothing(tmp_path, monkeypatch, capsys):
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "file" / "home"))
    logger = wandb_logger(save_dir=str(tmp_path), project="p", offline=False, monitor="val/loss")
    picture = np.zeros((4, 4, 3), np.uint8)
    for step, loss in ((1, 2.0), (2, 1.0), (3, 1.5)):
        logger.log_metrics({"val/loss": loss, "epoch": step}, step)
        logger.log_samples("val/scenes", ["line", "text"], [[7, "a"], [9, "b"]], {7: picture}, step)
    logger.log_confusion({"pose": Counts(("sit", "run"), torch.tensor([[3, 1], [0, 2]]))}, 3)
    logger.experiment.finish()
    wandb.teardown()  # W&B's service ends, and has written all
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("logger=wandb: this run stays offline: No API key configured")
    assert re.fullmatch(r"logger=wandb: offline; to upload this run: wandb sync \S+", said[1])
    found = offline_run(tmp_path)
    assert found.history["val/best"] == [2.0, 1.0, 1.0]
    assert found.summary["val/loss"] == {"min": 1.0, "last": 1.5}
    added = tables(found, "samples/table")  # each validation adds its rows
    assert [[row[:3] for row in table["data"]] for table in added] == [
        [[step, 7, "a"], [step, 9, "b"]] for step in (1, 2, 3)
    ]
    assert len(list(found.folder.glob("files/media/images/samples/line_7_*.png"))) == 3
    (chart,) = tables(found, "confusion/pose_table")
    assert chart["data"] == [["sit", "sit", 3], ["sit", "run", 1], ["run", "sit", 0], ["run", "run", 2]]


@pytest.mark.filterwarnings("ignore")
def test_a_run_that_is_disabled_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    logger = wandb_logger(save_dir=str(tmp_path), project="p", offline=False)
    logger.log_hyperparams({"a": 1})
    logger.log_metrics({"loss": 1.0}, step=1)
    logger.log_samples("val/texts", ["text"], [["a dog"]], {}, 1)
    logger.log_data({"data": {}, "paths": {"data": "d"}}, {})
    logger.log_checkpoint(tmp_path / "best.ckpt", {})
    logger.experiment.finish()
    assert not list(tmp_path.rglob("*.wandb")) and capsys.readouterr().out == ""


def test_metrics_are_sorted_into_sections():
    names = {
        "val/faithfulness_relation_strict": "faithfulness/relation_strict",
        "val/nll_place": "nll/place",
        "test/test_2016/faithfulness_all": "test faithfulness/test_2016/all",
        "val/score": "val/score",
        "train/scenes_per_second": "speed/scenes_per_second",
        "data/real_source_tokens": "speed/real_source_tokens",
        "train/gradient_norm": "optimizer/gradient_norm",
        "lr-AdamW/encoder": "optimizer/lr-AdamW/encoder",
        "epoch": "trainer/epoch",
    }
    assert {name: dashboard_name(name) for name in names} == names


@pytest.mark.parametrize("path", sorted((CONF / "task").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_direction_of_what_a_task_monitors_is_known(path):
    monitor = OmegaConf.load(path).monitor
    assert lower_is_better(monitor.metric) == (monitor.mode == "min")


def test_rare_classes_of_a_confusion_matrix_are_counted_together():
    counts = Counts(
        ("a", "b", "c", "never"), torch.tensor([[5, 1, 0, 0], [0, 4, 1, 0], [1, 0, 0, 0], [0] * 4])
    )
    rows = {(true, predicted): count for true, predicted, count in counts.rows(most=2)}
    assert rows == {
        **{("a", "a"): 5, ("a", "b"): 1, ("a", "other"): 0, ("b", "a"): 0, ("b", "b"): 4},
        **{("b", "other"): 1, ("other", "a"): 1, ("other", "b"): 0, ("other", "other"): 0},
    }
