"""What a Trainer says, and does not say, about the machine it runs on."""

import logging
import os
import warnings

from seq2scene.running.processes.trainers import filter_warnings, make_trainer


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


def test_lightning_does_not_claim_to_requeue_jobs() -> None:
    """``entry`` does, after a checkpoint that training goes on from."""
    filter_warnings()
    log = logging.getLogger("pytorch_lightning.trainer.connectors.signal_connector")
    assert not log.isEnabledFor(logging.INFO)
