"""Offline W&B runs write only to their run folder."""

import pytest
import wandb

from seq2scene.running.wandb_runs import wandb_logger


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    for name in ("WANDB_MODE", "WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_SILENT", "true")
    wandb.teardown()  # W&B reads the environment once


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_home_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch):
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "file" / "home"))
    logger = wandb_logger(save_dir=str(tmp_path), project="p")
    logger.log_table("samples", columns=["text"], data=[["a dog"]])
    logger.experiment.finish()
    assert len(list(tmp_path.glob("wandb/offline-run-*/*.wandb"))) == 1


@pytest.mark.filterwarnings("ignore")
def test_a_run_that_is_disabled_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    logger = wandb_logger(save_dir=str(tmp_path), project="p")
    logger.log_hyperparams({"a": 1})
    logger.log_metrics({"loss": 1.0}, step=1)
    logger.log_table("samples", columns=["text"], data=[["a dog"]])
    logger.experiment.finish()
    assert not list(tmp_path.rglob("*.wandb"))
