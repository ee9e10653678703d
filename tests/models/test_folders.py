"""Model folders: the same model as the checkpoint, and nothing that they say is trusted."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file, save_file

import seq2scene
from entry_points import command, run
from seq2scene.errors import UserError
from seq2scene.models import folders
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.models.folders import CARD, MODEL, WEIGHTS, placed, read_folder, without_places, write_folder
from seq2scene.models.loading import shipped_models
from seq2scene.running.commands.exporting import export
from seq2scene.tasks.loading import load_task
from test_configs import compose_plain

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(models, tmp_path_factory) -> Path:
    """The first model as a folder, written by the command."""
    work = tmp_path_factory.mktemp("exported")
    said = run("export.py", f"ckpt={models.a.parent}", "to=my_model", work=work)
    assert "my_model: " in said
    return work / "my_model"


@pytest.fixture
def altered(exported: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the folder in which one file says something else, its hash included."""

    def make(
        stated: Callable[[dict[str, Any]], Any] | None = None,
        tensors: Callable[[dict[str, torch.Tensor]], Any] | None = None,
    ) -> Path:
        folder = tmp_path / "altered"
        folder.mkdir()
        model, weights = json.loads((exported / MODEL).read_text()), load_file(exported / WEIGHTS)
        if tensors is not None:
            tensors(weights)
        save_file(weights, folder / WEIGHTS)
        model["files"][WEIGHTS] = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        if stated is not None:
            stated(model)
        (folder / MODEL).write_text(json.dumps(model))
        return folder

    return make


def test_a_folder_holds_the_model_of_the_checkpoint(exported: Path, models) -> None:
    ours, theirs = seq2scene.load(exported), seq2scene.load(models.a)
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value)
    texts = ["a b c", "", "h g zebra"]
    assert ours.translate(texts) == theirs.translate(texts) and ours.search == theirs.search


def test_every_command_takes_a_folder(exported: Path, models, tmp_path: Path) -> None:
    """And does what the model of the checkpoint does."""
    model, files = seq2scene.load(models.a), [models.folder / f"test.{side}" for side in "xy"]
    sources, targets = (path.read_text().splitlines() for path in files)
    found = [str(one) for one in model.translate(sources)]
    said = run("generate.py", f"ckpt={exported}", f"file={files[0]}", work=tmp_path)
    assert said.splitlines() == found
    said = run("score.py", f"ckpt={exported}", f"source={files[0]}", f"target={files[1]}", work=tmp_path)
    assert [float(line.split("\t")[0]) for line in said.splitlines()] == pytest.approx(
        model.score(sources, targets), abs=2e-4
    )
    given = f"[{files[0]},{files[1]}]"
    tests = [f"+data.{key}={given}" for key in ("train", "val", "tests.test")]
    tests += ["trainer=cpu", "trainer.enable_progress_bar=false", f"hydra.run.dir={tmp_path}/evaluated"]
    run("evaluate.py", f"ckpt={exported}", *tests, work=tmp_path)
    assert (tmp_path / "evaluated" / "test.hypotheses.txt").read_text().splitlines() == found
    done = command("train.py", "task=nmt", f"resume={exported}", work=tmp_path)
    assert done.returncode == 2 and "has weights but not the state of training" in done.stderr


def test_a_folder_names_no_machine_and_its_card_says_how_to_use_it(exported: Path, models) -> None:
    said = (exported / MODEL).read_text()
    assert str(models.folder) not in said and '"{data}/' in said
    card = (exported / CARD).read_text()
    assert 'seq2scene.load("my_model")' in card and "generate.py ckpt=my_model" in card
    assert "python src/train.py task=nmt" in card and str(models.folder) not in card
    assert "## Licence" in card and "## Limits" in card


def test_paths_are_told_from_the_data_folder_and_found_there_again() -> None:
    told = {"root": "/a/data/park", "files": ["/b/train.en", "train.de"], "n": 3, "url": "http://x/y"}
    kept = without_places(told, "/a/data")
    assert kept == {
        "root": "{data}/park",
        "files": ["{data}/train.en", "train.de"],
        "n": 3,
        "url": "http://x/y",
    }
    assert placed(kept, "/c") == {
        "root": "/c/park",
        "files": ["/c/train.en", "train.de"],
        "n": 3,
        "url": "http://x/y",
    }
    assert without_places("data.train=[/b/x.en,/b/x.de]", None) == "data.train=[{data}/x.en,{data}/x.de]"


def test_half_precision_halves_the_weights_and_is_read_as_float32(models, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(models.a)
    for half in (False, True):
        write_folder(tmp_path / str(half), checkpoint, {}, half=half)
    whole, small = ((tmp_path / str(half) / WEIGHTS).stat().st_size for half in (False, True))
    assert small < 0.6 * whole
    model = seq2scene.load(tmp_path / "True")
    for name, value in seq2scene.load(models.a).state_dict().items():
        found = model.state_dict()[name]
        assert found.dtype == value.dtype
        torch.testing.assert_close(found, value, rtol=2**-11, atol=1e-7)
    checkpoint["state_dict"]["model.decoder.output.bias"][0] = 1e6
    with pytest.raises(UserError, match=r"half=true: model\.decoder\.output\.bias has values that float16"):
        write_folder(tmp_path / "large", checkpoint, {}, half=True)


def test_only_a_model_folder_is_replaced_and_only_if_told(models, exported: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    for arguments, why in (
        ([f"to={tmp_path}/mine", "overwrite=true"], "exists and is no model folder"),
        ([f"to={exported}"], "say overwrite=true"),
        ([f"to={tmp_path}/new", "copy_patches=true"], "pastes no patches"),
    ):
        given = compose_plain(tmp_path, f"ckpt={models.a}", *arguments, job="export")
        with pytest.raises(UserError, match=why):
            export(OmegaConf.create(given))
    assert (tmp_path / "mine" / "thesis.txt").exists() and not (tmp_path / "new").exists()


def refuses(folder: Path, why: str) -> None:
    """By both ways to a model, without a traceback."""
    for load in (seq2scene.load, lambda path: load_task([path])):
        with pytest.raises(UserError, match=why) as raised:
            load(folder)
        assert str(folder) in str(raised.value)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"format": "somebody's"}, "describes no model of seq2scene"),
        ({"version": 2}, "format version 2 is not known here, 1 is; update seq2scene"),
        ({"version": "one"}, "export the model again"),
        ({"config": []}, "it has no config"),
        ({"files": {}}, "does not list weights.safetensors"),
        ({"description": {}}, "describes no model that can be built|belongs to no part"),
    ],
)
def test_another_format_is_refused(altered, change: dict[str, Any], why: str) -> None:
    refuses(altered(lambda model: model.update(change)), why)


@pytest.mark.parametrize("content", ["", "{", "[" * 10**5, '{"format": NaN}', '{"version": ' + "9" * 5000])
def test_what_is_no_json_is_refused(altered, content: str) -> None:
    folder = altered()
    (folder / MODEL).write_text(content)
    refuses(folder, r"model\.json is damaged: .*get the folder anew")


def test_huge_json_is_never_read(altered) -> None:
    folder = altered()
    with (folder / MODEL).open("r+") as file:
        file.truncate(folders.MOST + 1)
    refuses(folder, r"model\.json has 67 MB; a model's has less than 67")


def test_a_file_that_was_exchanged_or_lost_is_noticed(altered) -> None:
    folder = altered()
    damaged = bytearray((folder / WEIGHTS).read_bytes())
    damaged[-1] ^= 1
    (folder / WEIGHTS).write_bytes(damaged)
    refuses(folder, r"weights\.safetensors is not the file that model\.json describes .*SHA-256")
    (folder / WEIGHTS).unlink()
    refuses(folder, r"weights\.safetensors is missing")


def test_a_file_outside_the_folder_is_not_read(altered) -> None:
    refuses(altered(lambda model: model["files"].update({"../secret": "0"})), "lies outside the folder")


NAME = "model.decoder.output.weight"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda tensors: tensors.pop(NAME), r"decoder\.output\.weight is missing"),
        (
            lambda tensors: tensors.update({"model.more": torch.zeros(2)}),
            r"model\.more|more belongs to no part",
        ),
        (lambda tensors: tensors.update({"more": torch.zeros(2)}), "more belongs to no part"),
        (lambda tensors: tensors.update({NAME: torch.zeros(3, 2)}), r"has the shape \(3, 2\) instead of"),
        (lambda tensors: tensors[NAME].fill_(torch.nan), "are not finite"),
    ],
)
def test_weights_of_another_model_are_refused(altered, change, why: str) -> None:
    refuses(altered(tensors=change), why)


@pytest.mark.parametrize(
    "target",
    [
        *("torch.nn.Identity", "os.system", "builtins.print", "seq2scene.caching.Path.unlink", ["a"], None),
        *("seq2scene.", "seq2scene.nets.text.encoders.torch.nn.Linear", "seq2sceneX.evil.Net"),
        *("seq2scene.tasks.loading.load_task", "seq2scene.models.folders.read_folder"),
    ],
)
def test_nothing_but_classes_of_this_project_is_built(altered, target: Any) -> None:
    folder = altered(lambda model: model["config"]["model"]["encoder"].update({"_target_": target}))
    with pytest.raises(UserError, match=r"is not of seq2scene|may not be built here|cannot build"):
        seq2scene.load(folder)


def test_a_config_that_makes_no_sense_is_a_message(altered) -> None:
    def confuse(model: dict[str, Any]) -> None:
        del model["config"]["model"]["decoder"]["hidden_size"]

    refuses(altered(confuse), r"model\.json describes no model that can be built \(KeyError: 'hidden_size'\)")


def test_a_model_that_ships_with_the_package_is_known_by_its_name(exported, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(folders, "SHIPPED", exported.parent)
    assert shipped_models() == ["my_model"]
    assert seq2scene.load("my_model").translate("a b").text == seq2scene.load(exported).translate("a b").text
    with pytest.raises(UserError, match=r"a model that ships with seq2scene: my_model$"):
        seq2scene.load("my_modle")


def test_tensors_of_a_description_come_back_in_their_types(models, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(models.a)
    parts = checkpoint["hyper_parameters"]
    pixels, sizes = torch.arange(5, dtype=torch.uint8), torch.rand(2, 3)
    parts["description"] |= {"pictures": {"a": pixels}, "schema": {"sizes": sizes, "names": ("a", "b")}}
    write_folder(tmp_path / "new", checkpoint, {}, half=True)
    found = read_folder(tmp_path / "new")["hyper_parameters"]["description"]
    assert torch.equal(found["pictures"]["a"], pixels) and found["pictures"]["a"].dtype == torch.uint8
    assert np.array_equal(found["schema"]["sizes"], sizes) and found["schema"]["names"] == ["a", "b"]
    parts["description"]["odd"] = {1: 2}
    with pytest.raises(UserError, match=r"description\.odd: the key 1 cannot be written"):
        write_folder(tmp_path / "odd", checkpoint, {})
