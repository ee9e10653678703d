"""Checkpoints load safely or are refused with a reason."""

import pickle
from pathlib import Path

import pytest
import torch

from seq2scene.errors import UserError
from seq2scene.running.checkpoints import find_checkpoint, load_checkpoint


class Bomb:
    """Executes itself when unpickled."""

    def __reduce__(self):
        return (open, ("bomb_went_off", "w"))


def test_a_pickle_that_is_no_checkpoint_is_refused_and_never_run(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, save in (
        ("plain", lambda f: pickle.dump(Bomb(), f)),
        ("zipped", lambda f: torch.save(Bomb(), f)),
    ):
        with open(name, "wb") as file:
            save(file)
        with pytest.raises(UserError, match=f"{name} is no checkpoint of this project"):
            load_checkpoint(Path(name))
    assert not Path("bomb_went_off").exists()


def test_a_truncated_checkpoint_is_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "whole.ckpt"
    torch.save({"hyper_parameters": {"config": {}, "description": {}}, "w": torch.zeros(1000)}, path)
    assert load_checkpoint(path)["w"].shape == (1000,)
    for keep in (0, 10, 1000, path.stat().st_size - 10):
        cut = tmp_path / f"cut_{keep}.ckpt"
        cut.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(UserError, match=r"is damaged or no checkpoint|is no checkpoint"):
            load_checkpoint(cut)


def test_tensors_of_somebody_else_are_no_checkpoint_of_ours(tmp_path: Path) -> None:
    for name, content in (("list", [1, 2]), ("weights", {"w": torch.zeros(2)})):
        torch.save(content, tmp_path / name)
        with pytest.raises(UserError, match="no config and description"):
            load_checkpoint(tmp_path / name)


def test_a_missing_checkpoint_names_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").touch()
    with pytest.raises(UserError, match=r"no checkpoint at .*best\.ckpt: it holds .*last\.ckpt"):
        find_checkpoint(tmp_path, "best.ckpt")
    assert find_checkpoint(tmp_path, "last.ckpt") == tmp_path / "last.ckpt"
    with pytest.raises(UserError, match=r"give the \.ckpt file or the folder of a run"):
        find_checkpoint(tmp_path / "nowhere.ckpt", "best.ckpt")
