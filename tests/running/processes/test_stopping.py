"""Ctrl-C and SIGTERM end Lightning's loops with one line and the shell's exit status."""

import os
import signal

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from seq2scene.running.callbacks.stoppable import Stoppable
from seq2scene.running.entry import user_errors


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
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "stopped by SIGTERM")],
    ids=["SIGINT", "SIGTERM"],
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
