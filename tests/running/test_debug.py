"""The options of the group debug, for every task."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from seq2scene.running.callbacks.non_finite import to_containers
from seq2scene.running.commands import training
from test_benchmarks import script
from test_configs import compose_plain

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

small = script("small_tasks")


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> list[str]:
    """One park for all tasks."""
    folder = tmp_path_factory.mktemp("places")
    return [f"paths.data={folder / 'data'}", f"paths.cache={folder / 'cache'}"]


class Batches(pl.Callback):
    """The tensors of each training batch."""

    def __init__(self) -> None:
        self.seen: list[list[torch.Tensor]] = []

    def on_train_batch_start(self, trainer, module, batch, index) -> None:
        self.seen.append(list(tensors(to_containers(batch))))


def tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    for part in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    ):
        yield from tensors(part)


def train(folder: Path, task: str, *overrides: str) -> list[list[torch.Tensor]]:
    given = [*small.sized(task, 20, 6), *small.QUIET, "data.batch_size=4", *overrides]
    config, batches = compose_plain(folder, *given), Batches()
    training._train(config, given, folder, None, (batches,))
    return batches.seen


@pytest.mark.parametrize("task", small.TASKS)
def test_overfitting_repeats_one_batch_of_any_task(task: str, places, tmp_path) -> None:
    """With anomaly detection, as in debug=anomaly."""
    given = ["debug=overfit", "trainer.max_epochs=2", "+trainer.detect_anomaly=true", "~logger"]
    first, *others = train(tmp_path, task, *places, *given)
    assert len(others) == 1 and len(first) > 2
    for other in others:
        torch.testing.assert_close(other, first, rtol=0, atol=0)


def test_a_profile_lies_in_the_folder_of_the_run(places, tmp_path, capsys) -> None:
    train(tmp_path, "nmt", *places, "debug=profile", "trainer.limit_train_batches=2")
    assert "run_training_batch" in (tmp_path / "fit-profile.txt").read_text()
    assert "\n  fit-profile.txt " in capsys.readouterr().out
