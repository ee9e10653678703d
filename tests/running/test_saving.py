"""A checkpoint that cannot be written leaves the previous one intact."""

import os
import resource
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from seq2scene.errors import UserError
from seq2scene.running.saving import WholeCheckpoints, save_whole


def save_with_little_room(path: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        save_whole({"weights": torch.ones(1_000_000)}, path)
    except UserError as error:
        assert str(error) == f"{path} cannot be written: File too large; the previous one is unchanged"
        os._exit(7)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"weights": torch.zeros(3)}, str(path))
    process = get_context("fork").Process(target=save_with_little_room, args=(path,))
    process.start()
    process.join(60)
    assert process.exitcode == 7
    assert torch.load(path)["weights"].tolist() == [0, 0, 0]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"last\.ckpt cannot be written: File exists"):
        save_whole({}, tmp_path / "file" / "last.ckpt")
