"""Progress: lines that fit, only at intervals off a terminal, and the scores of every validation."""

import re

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from seq2scene.running.callbacks.progress import Progress
from seq2scene.running.callbacks.summary import Summary


class Model(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Linear(1, 1)

    def training_step(self, batch, index):
        self.log("train/loss", torch.tensor(2.5), prog_bar=True)
        self.log("train/tokens_per_second", torch.tensor(12345.0), prog_bar=True)
        return self.net(batch).sum()

    def validation_step(self, batch, index):
        self.log("val/bleu", torch.tensor(0.25), prog_bar=True)

    def test_step(self, batch, index):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def shown(tmp_path, capsys):
    """The output of a run of two epochs of three batches with these callbacks."""

    def run(*callbacks: pl.Callback) -> str:
        loader = DataLoader(torch.ones(3, 1), batch_size=1)
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=2,
            default_root_dir=tmp_path,
            callbacks=list(callbacks),
            logger=False,
            enable_model_summary=False,
            enable_checkpointing=False,
        )
        model = Model()
        trainer.fit(model, loader, loader)
        trainer.test(model, loader, verbose=False)
        return capsys.readouterr().out

    return run


pytestmark = pytest.mark.filterwarnings("ignore")


def test_lines_say_where_a_run_is_and_how_long_it_will_take(shown):
    lines = shown(Progress(seconds=0)).splitlines()
    assert lines[0] == "epoch 1/2 1/3  loss 2.5  12,345 tokens/s  0:00 left"
    assert "epoch 2/2 validation 3/3" in lines
    assert lines[-1] == "test 3/3"


def test_without_a_terminal_lines_are_rare_but_scores_are_always_told(shown):
    assert shown(Progress(seconds=1000)).splitlines() == [
        "epoch 1/2 step 3  validation: bleu 0.25",
        "epoch 2/2 step 6  validation: bleu 0.25",
    ]


def test_on_a_terminal_a_line_is_never_wider_than_it(shown, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    progress = Progress(refresh_rate=1)
    progress._terminal = True
    rewritten = [part for part in re.split(r"\r|\n", shown(progress)) if part.endswith("\x1b[K")]
    texts = [part.removesuffix("\x1b[K") for part in rewritten]
    assert "epoch 1/2 1/3  loss" in texts
    assert max(map(len, texts)) == 19


def test_a_summary_counts_parameters_and_nothing_it_cannot_count(shown):
    told = shown(Summary(max_depth=2))
    assert re.search(r"^net +Linear +2 *$", told, re.MULTILINE)
    assert "2 parameters, 2 of them trainable" in told
    assert "FLOPs" not in told
