"""What a Trainer says, and does not say, about the machine it runs on."""

import logging
import os
import warnings

import pytest
import pytorch_lightning as pl
import torch

from seq2scene.errors import UserError
from seq2scene.running.processes.trainers import chosen_accelerator, filter_warnings, make_trainer


def test_srun_that_is_there_and_not_used_is_no_mistake(tmp_path, monkeypatch) -> None:
    """``ranks`` starts processes without it."""
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    config = {"_target_": "pytorch_lightning.Trainer", "accelerator": "cpu", "enable_progress_bar": False}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        filter_warnings()
        make_trainer(config, logger=False, default_root_dir=tmp_path)
    assert not [str(one.message) for one in told if "srun" in str(one.message)]


def test_apple_gpus_are_left_alone_and_refused(tmp_path, monkeypatch, caplog) -> None:
    """They have no float64, in which scores are added up."""
    config = {"_target_": "pytorch_lightning.Trainer", "enable_progress_bar": False}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    for settings in ({}, {"accelerator": "auto"}):
        caplog.clear()
        with caplog.at_level(logging.INFO):
            trainer = make_trainer(config | settings, logger=False, default_root_dir=tmp_path)
        assert isinstance(trainer.accelerator, pl.accelerators.CPUAccelerator)
        assert caplog.text.count("training on the CPU: it needs float64") == 1
    for wanted in ("mps", "gpu"):
        with pytest.raises(UserError, match=rf"accelerator={wanted}: .* use trainer\.accelerator=cpu"):
            chosen_accelerator(wanted)
    assert chosen_accelerator("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [chosen_accelerator(wanted) for wanted in ("auto", "gpu", "cuda")] == ["cuda", "gpu", "cuda"]


def test_lightning_does_not_claim_to_requeue_jobs() -> None:
    """``entry`` does, after a checkpoint that training goes on from."""
    filter_warnings()
    log = logging.getLogger("pytorch_lightning.trainer.connectors.signal_connector")
    assert not log.isEnabledFor(logging.INFO)
