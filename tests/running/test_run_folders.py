"""No run overwrites another without overwrite=true."""

from pathlib import Path

import pytest

from seq2scene.errors import UserError
from seq2scene.running.run_folders import claim, free_folder

ASKED, UNASKED = {"overwrite": True}, {"overwrite": False}


@pytest.mark.parametrize("left", ["last.ckpt", "metrics.csv", "metrics.json", "3/best.ckpt"])
def test_a_name_that_was_used_is_counted_on(tmp_path: Path, left: str) -> None:
    path = tmp_path / "4711-0"
    for expected in ("4711-0", "4711-0-2", "4711-0-3"):
        found = Path(free_folder(str(path)))
        assert found == tmp_path / expected
        (found / left).parent.mkdir(parents=True)
        (found / left).touch()


def test_a_folder_that_another_rank_has_just_made_is_shared(tmp_path: Path) -> None:
    (tmp_path / "run" / ".hydra").mkdir(parents=True)
    (tmp_path / "run" / "hparams.yaml").touch()
    assert free_folder(str(tmp_path / "run")) == str(tmp_path / "run")


def test_a_run_that_slurm_requeued_goes_on_in_its_folder(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "hpc_ckpt_1.ckpt").touch()
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    claim(tmp_path, UNASKED)
    assert free_folder(str(tmp_path)) == str(tmp_path)


def test_a_folder_with_a_run_is_refused_unless_it_may_be_written_over(tmp_path: Path) -> None:
    claim(tmp_path, UNASKED)
    (tmp_path / "best.ckpt").touch()
    with pytest.raises(UserError, match=r"already holds a run: .*overwrite=true"):
        claim(tmp_path, UNASKED)
    claim(tmp_path, ASKED)
    claim(tmp_path, UNASKED, start=tmp_path / "best.ckpt")
    with pytest.raises(UserError):
        claim(tmp_path, UNASKED, start=tmp_path / "other" / "best.ckpt")
