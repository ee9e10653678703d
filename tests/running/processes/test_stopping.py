"""Ctrl-C and SIGTERM end Lightning's loops with one line and the shell's exit status."""

import os
import signal

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from seq2scene.running.callbacks.stoppable import Stoppable
from seq2scene.running.entry import user_errors
from seq2scene.running.processes.launchers import requeue
from seq2scene.running.processes.stopping import Stopped, deferral, stoppable


class Line(pl.LightningModule):
    """A linear fit to two points, stopped by signal ``number`` in the step ``where``."""

    def __init__(self, where: str, number: int) -> None:
        super().__init__()
        self.net = torch.nn.Linear(1, 1)
        self.where, self.number = where, number

    def training_step(self, batch, index, where="training"):
        if where == self.where:
            os.kill(os.getpid(), self.number)
        return self.net(batch).square().mean()

    def validation_step(self, batch, index):
        if not self.trainer.sanity_checking:
            self.training_step(batch, index, "validation")

    def test_step(self, batch, index):
        self.training_step(batch, index, "test")

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("number", "status", "told"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "stopped by SIGTERM"),
        (signal.SIGHUP, 129, "stopped by SIGHUP"),
        (signal.SIGUSR1, 138, "stopped by SIGUSR1"),
    ],
    ids=["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"],
)
@pytest.mark.parametrize("where", ["training", "validation", "test"])
def test_every_loop_is_stopped_at_once(tmp_path, capsys, where, number, status, told):
    before = signal.getsignal(number)
    loader = DataLoader(torch.ones(4, 1), batch_size=1)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=1, default_root_dir=tmp_path, callbacks=[Stoppable()], **quiet
    )
    line = Line(where, number)
    with pytest.raises(SystemExit) as ending, user_errors():
        if where == "test":
            trainer.test(line, loader)
        else:
            trainer.fit(line, loader, loader)
    assert ending.value.code == status
    assert capsys.readouterr().err.splitlines()[-1] == told
    assert trainer.global_step == {"training": 0, "validation": 4, "test": 0}[where]
    assert signal.getsignal(number) is before


def test_the_first_signal_may_wait_for_a_step_and_the_second_does_not(capfd):
    with pytest.raises(SystemExit) as ending, user_errors():
        deferral.begin(alone=True)
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            assert "once more to stop at once" in capfd.readouterr().err
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            deferral.end()
    assert ending.value.code == 130
    with pytest.raises(SystemExit) as ending, user_errors():
        deferral.begin(alone=True)
        os.kill(os.getpid(), signal.SIGUSR1)
        deferral.check()
    assert ending.value.code == 138


def test_a_run_that_slurm_warns_is_requeued(tmp_path, monkeypatch):
    calls = tmp_path / "calls"
    (tmp_path / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {calls}\n')
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    requeue()  # not under Slurm
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    requeue()
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "16")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    requeue()
    monkeypatch.setenv("SLURM_PROCID", "1")
    requeue()
    assert calls.read_text().splitlines() == ["requeue 17", "requeue 16_3"]


def test_ranks_stop_once_they_have_agreed(capfd):
    with stoppable():
        deferral.begin(alone=False)
        os.kill(os.getpid(), signal.SIGUSR1)
        deferral.check()
        deferral.agree(0.0)
        deferral.check()
        deferral.agree(float(signal.SIGUSR1))
        with pytest.raises(Stopped) as ending:
            deferral.check()
        assert ending.value.number == signal.SIGUSR1
        deferral.begin(alone=False)  # another rank, or two, got a signal
        deferral.agree(2.0 * signal.SIGTERM)
        with pytest.raises(Stopped) as ending:
            deferral.check()
        assert ending.value.number == signal.SIGTERM
