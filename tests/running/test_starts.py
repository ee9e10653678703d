"""Where training goes on: the newest whole checkpoint, in the run's folder or that of the run before."""

import os
import random
from pathlib import Path

import pytest
import torch
import yaml

import seq2scene.running.entry  # noqa: F401  (registers the configs' resolvers)
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.running.resuming.starts import find_start, with_start
from seq2scene.running.saving import WholeCheckpoints, copy

CONF = Path(__file__).resolve().parents[2] / "conf"


def save(path: Path, step: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = {"hyper_parameters": {"config": {}, "description": {}}, "state_dict": {"weight": torch.ones(99)}}
    WholeCheckpoints().save_checkpoint({**parts, "global_step": step}, str(path))


def damage(path: Path) -> None:
    """Flips a bit of the weights."""
    content = bytearray(path.read_bytes())
    content[content.index(torch.ones(9).numpy().tobytes()) + 5] ^= 4
    path.write_bytes(content)


def hydra_folder(run: Path, *overrides: str) -> None:
    (run / ".hydra").mkdir(parents=True)
    (run / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump([*overrides]))
    (run / ".hydra" / "hydra.yaml").write_text(
        yaml.safe_dump({"hydra": {"runtime": {"cwd": str(run.parent)}}})
    )


# Checkpoints


def test_a_checkpoint_of_which_a_bit_changed_is_refused_or_the_same(tmp_path: Path) -> None:
    path, chance = tmp_path / "last.ckpt", random.Random(0)
    save(path, 1)
    content, whole = path.read_bytes(), load_checkpoint(path)
    refused = 0
    for _ in range(200):
        changed = bytearray(content)
        changed[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        try:
            found = load_checkpoint(path)
        except UserError:
            refused += 1
            continue
        assert torch.equal(found["state_dict"].pop("weight"), torch.ones(99))
        assert found == {**whole, "state_dict": {}}
    assert refused > 50  # the other bits are padding between the tensors


def test_the_checkpoint_before_stays_until_the_new_one_stands(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save(tmp_path / "last.ckpt", step)
    steps = {path.name: load_checkpoint(path)["global_step"] for path in tmp_path.iterdir()}
    assert steps == {"last.ckpt": 3, "previous.ckpt": 2}


def test_where_files_have_no_links_they_are_copied(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "last.ckpt").write_bytes(b"weights")
    copy(tmp_path / "last.ckpt", tmp_path / "best.ckpt")
    assert (tmp_path / "best.ckpt").read_bytes() == b"weights" and len(list(tmp_path.iterdir())) == 2


# Where a run goes on


def test_a_damaged_last_checkpoint_is_named_and_the_one_before_is_used(tmp_path: Path, capsys) -> None:
    for step in (1, 2):
        save(tmp_path / "last.ckpt", step)
    damage(tmp_path / "last.ckpt")
    path, checkpoint = find_start(tmp_path)
    assert (path.name, checkpoint["global_step"]) == ("previous.ckpt", 1)
    first, second = capsys.readouterr().out.splitlines()
    assert f"{tmp_path}/last.ckpt is damaged" in first and "checksum" in first
    assert second == f"resume: the checkpoint before it is used: {path}, step 1"
    damage(path)
    with pytest.raises(UserError, match=r"last\.ckpt is damaged"):
        find_start(tmp_path)


def test_a_run_killed_before_its_first_checkpoint_goes_on_from_the_run_before(tmp_path: Path, capsys) -> None:
    save(tmp_path / "one" / "last.ckpt", 5)
    hydra_folder(tmp_path / "two", "task=nmt", "resume='one'")
    hydra_folder(tmp_path / "three", f"resume={tmp_path}/two/last.ckpt")
    assert find_start(tmp_path / "two")[0] == tmp_path / "one" / "last.ckpt"
    assert f"{tmp_path}/two has no checkpoint yet; it went on from {tmp_path}/one" in capsys.readouterr().out
    hydra_folder(tmp_path / "round", "resume=round")
    for lost in ("round", "three"):
        with pytest.raises(UserError, match="no checkpoint at"):
            find_start(tmp_path / lost)


# resume=auto


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("SEQ2SCENE_OUTPUTS", str(tmp_path))
    return tmp_path


def test_auto_goes_on_in_the_newest_folder_with_a_checkpoint_of_that_name(outputs: Path, capsys) -> None:
    given = ["task=nmt", "resume=auto", "seed=3"]
    assert with_start(given, CONF) == ["task=nmt", "seed=3"]
    assert f"no checkpoint in {outputs}/nmt: a new run starts" in capsys.readouterr().out
    for name, step, age in (("nmt/a", 7, 100), ("nmt/b", 4, 50), ("lm/c", 9, 0)):
        save(outputs / name / "last.ckpt", step)
        os.utime(outputs / name / "last.ckpt", (1e9 - age, 1e9 - age))
    (outputs / "nmt" / "z").mkdir()  # a newer one, killed before it saved anything
    b = outputs / "nmt" / "b"
    assert with_start(given, CONF) == [f"resume={b}", "task=nmt", "seed=3", f"hydra.run.dir={b}"]
    assert f"goes on in {b} from last.ckpt, step 4" in capsys.readouterr().out


def test_auto_goes_on_in_the_folder_given(outputs: Path) -> None:
    folder = outputs / "mine"
    given = ["task=nmt", "resume=auto", f"hydra.run.dir={folder}"]
    assert with_start(given, CONF) == ["task=nmt", f"hydra.run.dir={folder}"]
    folder.mkdir()
    (folder / "metrics.csv").touch()  # killed before it saved anything
    assert with_start(given, CONF) == ["task=nmt", f"hydra.run.dir={folder}", "overwrite=true"]
    save(folder / "last.ckpt", 1)
    assert with_start(given, CONF) == [f"resume={folder}", "task=nmt", f"hydra.run.dir={folder}"]
    damage(folder / "last.ckpt")
    with pytest.raises(UserError, match="is damaged"):
        with_start(given, CONF)
    with pytest.raises(UserError, match="not in a sweep"):
        with_start([*given, "-m"], CONF)


def test_a_requeued_job_goes_on_in_its_own_folder_and_in_no_other(outputs: Path, monkeypatch) -> None:
    save(outputs / "nmt" / "a" / "last.ckpt", 7)
    mine = ["task=nmt", f"hydra.run.dir={outputs}/nmt/a"]
    assert with_start(mine, CONF) == mine
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert with_start(mine, CONF) == [f"resume={outputs}/nmt/a", *mine]
    assert with_start(["task=nmt"], CONF) == ["task=nmt"]
    save(outputs / "nmt" / "12-0" / "last.ckpt", 8)
    for name, value in (("JOB_ID", "12"), ("STEP_ID", "0"), ("NTASKS", "2"), ("JOB_NAME", "train")):
        monkeypatch.setenv(f"SLURM_{name}", value)
    own = outputs / "nmt" / "12-0"
    assert with_start(["task=nmt"], CONF) == [f"resume={own}", "task=nmt", f"hydra.run.dir={own}"]
