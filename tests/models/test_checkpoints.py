"""Checkpoints load safely or are refused with a reason."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from entry_points import command, run
from seq2scene.building import find
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import find_checkpoint, load_checkpoint, renamed
from seq2scene.search.stepwise import Greedy, Sample
from seq2scene.tasks.loading import load_task, with_local_paths


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
        with pytest.raises(UserError, match=f"{name} is not a checkpoint of this project"):
            load_checkpoint(Path(name))
    assert not Path("bomb_went_off").exists()


def test_a_truncated_checkpoint_is_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "whole.ckpt"
    torch.save({"hyper_parameters": {"config": {}, "description": {}}, "w": torch.zeros(1000)}, path)
    assert load_checkpoint(path)["w"].shape == (1000,)
    for keep in (0, 10, 1000, path.stat().st_size - 10):
        cut = tmp_path / f"cut_{keep}.ckpt"
        cut.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(UserError, match=r"is damaged or not a checkpoint|is not a checkpoint"):
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


# Configs of checkpoints


@pytest.fixture
def doctored(models, tmp_path: Path) -> Callable[..., Path]:
    """A checkpoint whose config, description or data settings say something else."""

    def make(data: dict[str, Any] | None = None, **config: Any) -> Path:
        checkpoint = load_checkpoint(models.a)
        parts = checkpoint["hyper_parameters"]
        told = {**parts["config"], **config, "data": {**parts["config"]["data"], **(data or {})}}
        checkpoint["hyper_parameters"] = {**parts, "config": told}
        torch.save(checkpoint, tmp_path / "doctored.ckpt")
        return tmp_path / "doctored.ckpt"

    return make


@pytest.mark.slow
def test_a_checkpoint_runs_no_code_of_its_own(doctored, tmp_path: Path) -> None:
    """By torch.hub a file of the attacker's; nested, files read, copied, removed."""
    mark, hub = tmp_path / "mark", tmp_path / "hubconf.py"
    hub.write_text(f"open({str(mark)!r}, 'w').close()\n")
    run_file = {"repo_or_dir": str(tmp_path), "model": "mark", "source": "local"}
    functional, deep = "torch.nn.functional", "torch.nn.Identity"
    for encoder in (
        {"_target_": f"{functional}.torch.hub.load", **run_file},
        {"_target_": deep, "a": {"_target_": f"{functional}.torch.hub.load", **run_file}},
        {"_target_": deep, "a": {"_target_": "torch.nn.modules.module.torch.load", "weights_only": False}},
        {"_target_": deep, "a": [{"_target_": f"{functional}.np.load", "file": "x", "allow_pickle": True}]},
        {"_target_": deep, "a": {"_target_": "shutil.copy", "src": str(hub), "dst": str(mark)}},
        {"_target_": deep, "a": {"_target_": "seq2scene.caching.Path.unlink", "self": str(hub)}},
        {"_target_": "pytorch_lightning.loggers.TensorBoardLogger", "save_dir": str(mark)},
        {"_target_": "seq2scene.data.text.parallel_text.ParkText", "root": str(mark)},
    ):
        with pytest.raises(UserError, match=r"model\.encoder.*may not be built here"):
            load_task([doctored(model={"encoder": encoder, "decoder": {}, "initial_range": None})])
    assert hub.exists() and not mark.exists()


@pytest.mark.slow
def test_a_checkpoint_that_says_what_parts_were_called_before_is_read(doctored) -> None:
    search = {"_target_": "seq2scene.search.sample.Sample", "num_samples": 3}
    task = load_task([doctored(search=search, val_search={"_target_": "seq2scene.search.greedy.Greedy"})])
    assert task.config["search"] == {"_target_": "seq2scene.search.stepwise.Sample", "num_samples": 3}
    assert task.model.search == Sample(num_samples=3) and task.val_search == Greedy()


@pytest.mark.slow
def test_an_interpolation_of_a_checkpoint_is_never_resolved(doctored, monkeypatch) -> None:
    monkeypatch.setenv("SECRET", "3")
    search = {"_target_": "seq2scene.search.beam.Beam", "size": "${oc.env:SECRET}"}
    for config in ({"search": search}, {"seed": "${oc.env:SECRET}"}, {"data": {"${oc.env:SECRET}": 1}}):
        with pytest.raises(UserError, match=r"its config contains the interpolation \$\{oc\.env:SECRET\}"):
            load_task([doctored(**config)])


@pytest.mark.parametrize(
    "name",
    [
        *("parallel_text.ParkText", "plain_text.PlainText", "abstract_scenes.ParkScenes"),
        *("coco_layout.CocoLayout", "coco_composite.ParkComposite", "simulated_scenes.SimulatedScenes"),
        *("coco_captions.CocoCaptions", "layout_captions.ParkLayoutCaptions"),
    ],
)
def test_data_modules_are_found_by_the_names_that_older_checkpoints_have(name: str) -> None:
    config = renamed({"composites": {"_target_": f"seq2scene.data.{name}"}})
    found = find(config["composites"]["_target_"], "data")
    assert found.__name__ == name.partition(".")[2]


def test_data_of_a_checkpoint_write_where_the_user_says(tmp_path: Path) -> None:
    places, far = {"cache": "/here/cache", "data": "/here/data"}, str(tmp_path / "far")
    park = {
        "_target_": "seq2scene.data.scenes.coco_composite.ParkComposite",
        "root": far,
        "cache": "/far/cache",
    }
    files = {
        "_target_": "seq2scene.data.scenes.simulated_scenes.SimulatedScenes",
        "root": far,
        "cache": "/far",
    }
    home = with_local_paths({**files, "composites": park}, places)
    assert home["root"] == far and home["cache"] == home["composites"]["cache"] == "/here/cache"
    assert home["composites"]["root"] == "/here/data/park"
    (tmp_path / "far" / "v1").mkdir(parents=True)
    (tmp_path / "far" / "v1" / "park.json").touch()
    assert with_local_paths(park, places)["root"] == far  # it is there, so nothing is written


@pytest.mark.slow
def test_evaluate_keeps_nothing_where_a_checkpoint_says(doctored, models, tmp_path: Path) -> None:
    far, tests = tmp_path / "far", {"test": [str(models.folder / f"test.{side}") for side in "xy"]}
    ckpt = doctored({"cache": str(far / "cache"), "tests": tests})
    run("evaluate.py", f"ckpt={ckpt}", "trainer=cpu", "trainer.enable_progress_bar=false", work=tmp_path)
    assert not far.exists() and (tmp_path / "cache").is_dir()
    escaping = doctored({"tests": {"../../far": tests["test"]}})
    done = command("evaluate.py", f"ckpt={escaping}", "trainer=cpu", work=tmp_path)
    assert done.returncode == 2 and "a test set cannot be called ../../far" in done.stderr
    assert not list(tmp_path.rglob("far*"))
