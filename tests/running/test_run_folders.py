"""No run overwrites another without overwrite=true."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from seq2scene.errors import UserError
from seq2scene.running.run_folders import OutputFolder, claim, free_folder

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


def test_a_requeued_job_never_overwrites_its_checkpoint(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "last.ckpt").touch()
    claim(tmp_path, ASKED)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    with pytest.raises(UserError, match=r"would be overwritten: use resume=auto"):
        claim(tmp_path, ASKED)
    claim(tmp_path, UNASKED, start=tmp_path / "last.ckpt")


def test_what_a_killed_run_left_half_written_is_removed(tmp_path: Path) -> None:
    kept = (".hydra", ".settings.d.json", "metrics.json.draft", "samples")
    (tmp_path / "samples").mkdir()
    for name in (".0123abcd.last.ckpt", ".0123abce.metrics.csv", "samples/.0123abcf.step1.png", *kept[:3]):
        (tmp_path / name).touch()
    claim(tmp_path, UNASKED)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == sorted(kept)


def test_a_folder_with_a_run_is_refused_unless_it_may_be_written_over(tmp_path: Path) -> None:
    claim(tmp_path, UNASKED)
    (tmp_path / "best.ckpt").touch()
    with pytest.raises(UserError, match=r"already holds a run: .*overwrite=true"):
        claim(tmp_path, UNASKED)
    claim(tmp_path, ASKED)
    claim(tmp_path, UNASKED, start=tmp_path / "best.ckpt")
    with pytest.raises(UserError):
        claim(tmp_path, UNASKED, start=tmp_path / "other" / "best.ckpt")


def test_a_damaged_checkpoint_does_not_take_the_place_of_the_one_before(tmp_path: Path) -> None:
    for name in ("last.ckpt", "previous.ckpt"):
        (tmp_path / name).touch()
    claim(tmp_path, UNASKED, start=tmp_path / "previous.ckpt")
    assert [path.name for path in tmp_path.iterdir()] == ["previous.ckpt"]


def test_a_folder_that_cannot_be_made_ends_the_command_with_a_line(tmp_path: Path, capsys) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "run"
    with pytest.raises(SystemExit) as ending:
        OutputFolder().on_run_start(OmegaConf.create({"hydra": {"run": {"dir": str(folder)}}}))
    assert ending.value.code == 2
    assert capsys.readouterr().err == f"error: {folder} cannot be written: Not a directory\n"
