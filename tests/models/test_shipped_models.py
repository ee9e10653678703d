"""The models that ship with the package: they load, say where they come from, and do what they should."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

import seq2scene
from entry_points import SOURCE, command, run, started
from seq2scene.app.model_table import ModelTable, read_offers
from seq2scene.app.server import create_app
from seq2scene.data.park.language.grammar import text
from seq2scene.data.park.language.reading import read_sentences
from seq2scene.data.park.writing import split_messages
from seq2scene.errors import UserError
from seq2scene.models import folders
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.models.folders import CARD, MODEL, SHIPPED
from seq2scene.models.loading import shipped_models
from seq2scene.models.scene_records import read_records
from seq2scene.scenes.facts import Fact, check, things_of

pytestmark = pytest.mark.slow

MOST = 12e6  # bytes of all together
ATTENTIONS = ("none", "location", "general", "concat", "local")  # besides that of park-de
ROOMS = {  # of the page, by model; the others translate
    "park-scene": "scene",
    "park-layout": "layout",
    "park-composite": "composite",
    "park-captioner": "caption",
}
HOTDOG = "Mike holds a hotdog."


@pytest.mark.parametrize("name", shipped_models())
def test_a_shipped_model_loads_and_its_card_has_scores(name: str) -> None:
    model = seq2scene.load(name)  # checks the SHA-256 of all files
    stated, card = json.loads((SHIPPED / name / MODEL).read_text()), (SHIPPED / name / CARD).read_text()
    assert model.kind == stated["model"] and stated["half"] and re.match(r"[0-9a-f]{40}", stated["commit"])
    assert re.search(r"Test set `\w+`, n = \d+ samples:\n\n\| score \| value \|", card)
    assert f'seq2scene.load("{name}")' in card and "{'" not in card


@pytest.mark.parametrize("name", shipped_models())
def test_a_copy_whose_numbers_are_not_all_finite_is_refused(name: str, tmp_path: Path) -> None:
    parts = load_checkpoint(SHIPPED / name)
    copied = {key: parts[key] for key in ("hyper_parameters", "state_dict")}
    weight = next(one for one in parts["state_dict"].values() if one.is_floating_point())
    described = parts["hyper_parameters"]["description"]
    for bad, tensor in ((torch.nan, weight), (-torch.inf, weight), (torch.nan, torch.zeros(3))):
        described["added"] = {"numbers": [tensor]} if tensor is not weight else {}
        before, tensor.view(-1)[0] = tensor.view(-1)[0].clone(), bad
        torch.save(copied, tmp_path / "best.ckpt")
        tensor.view(-1)[0] = before
        with pytest.raises(
            UserError, match=r"best\.ckpt: 1 of \d+ values of (model|description)\..* not finite"
        ):
            seq2scene.load(tmp_path)


def test_there_are_models_for_each_lab_and_they_are_small() -> None:
    translators = {"park-de", *(f"park-de-{name}" for name in ATTENTIONS)}
    assert {*shipped_models()} == translators | {"park-fr"} | {*ROOMS}
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) <= MOST


def test_the_hotdog_is_in_mikes_hand() -> None:
    model = seq2scene.load("park-scene")
    things = things_of(
        read_records([model.write(HOTDOG).objects], ["scene"], model.schema, None), model.schema
    )
    (sentence,) = read_sentences(HOTDOG)
    assert [(one.said.kind, one.holds(things[0])) for one in sentence.statements] == [
        ("thing", True),
        ("thing", True),
        ("hold", True),
    ]


@pytest.mark.parametrize("name", ["park-layout", "park-composite"])
def test_boxes_show_what_a_caption_says(name: str) -> None:
    model = seq2scene.load(name)
    scene = model.write("Mike is holding the hot dog, and there is a tree next to Jenny.")
    facts = [Fact("thing", kind) for kind in ("boy", "girl", "hot dog", "tree")]
    facts.append(Fact("hold", "boy", "hot dog"))
    assert check(facts, scene.written.objects, model.schema) == [True] * len(facts)
    if model.store is not None:
        assert all("patch" in one for one in scene.objects)
        assert np.asarray(scene.picture()).std() > 10


def test_park_de_translates_as_the_park_does() -> None:
    told = split_messages(seed=0, train=0, val=0, test=3)["test"]  # of things not told in training
    english, german = ([text(one, language).lower() for one in told] for language in ("en", "de"))
    assert [one.text for one in seq2scene.load("park-de").translate(english)] == german


def test_the_captioner_reads_with_the_installed_trunk(tmp_path: Path, monkeypatch) -> None:
    model, (path, trunk) = seq2scene.load("park-captioner"), folders._installed_trunk()
    for name, value in model.encoder.trunk.state_dict().items():
        assert torch.equal(value, trunk[name])
    assert not any(name.startswith(folders.TRUNK) for name in stored(SHIPPED / "park-captioner"))
    (tmp_path / "other.pth").write_bytes(path.read_bytes() + b" ")
    monkeypatch.setattr(folders, "_installed_trunk", lambda: (tmp_path / "other.pth", trunk))
    with pytest.raises(UserError, match=r"trained on another efficientnet_lite0 .*requirements\.txt names"):
        seq2scene.load("park-captioner")


def stored(folder: Path) -> Iterator[str]:
    """The names of the tensors in a model folder."""
    with (folder / folders.WEIGHTS).open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        yield from json.loads(file.read(size))


def test_generate_draws_without_a_checkpoint(tmp_path: Path) -> None:
    assert run("generate.py", f"text={HOTDOG}", "out=scene.png", work=tmp_path) == "scene.png\n"
    with Image.open(tmp_path / "scene.png") as picture:
        assert picture.size == (1000, 800)
    assert HOTDOG in (tmp_path / "scene.json").read_text()


def test_every_command_knows_the_names(tmp_path: Path) -> None:
    said = run("generate.py", "ckpt=park-de", "text=Mike is happy.", work=tmp_path)
    assert said == run("generate.py", f"ckpt={SHIPPED}/park-de", "text=Mike is happy.", work=tmp_path)
    (tmp_path / "in.txt").write_text("mike is happy .\n")
    (tmp_path / "out.txt").write_text(said)
    run("score.py", "ckpt=park-de", "source=in.txt", "target=out.txt", work=tmp_path)
    run("export.py", "ckpt=park-de", "to=mine", work=tmp_path)
    wrong = command("generate.py", "ckpt=park-dee", "text=a", work=tmp_path)
    assert wrong.returncode == 2 and f": {', '.join(shipped_models())}\n" in wrong.stderr


def test_the_page_offers_all_of_them_and_draws_a_scene() -> None:
    with TestClient(create_app(ModelTable(read_offers())), base_url="http://localhost") as client:
        rooms = {room["name"]: room["models"] for room in client.get("/api/rooms").json()["rooms"]}
        for name in shipped_models():
            assert name in rooms[ROOMS.get(name, "translation")]
        assert {*rooms["translation"]} - {*rooms["attention"]} == {"park-de-none"}
        found = client.post("/api/scene/write", json={"model": "park-scene", "text": HOTDOG}).json()
        assert found["scenes"][0]["objects"]


def test_demo_starts_without_models(tmp_path: Path) -> None:
    with started(SOURCE / "demo.py", "port=0", work=tmp_path) as (page, out, err):
        while not (out.exists() and out.read_text().endswith("\n")):
            time.sleep(0.02)
            assert page.exitcode is None, err.read_text()
        with urlopen(f"{out.read_text().split()[0]}api/rooms") as answer:
            rooms = json.load(answer)["rooms"]
        os.kill(page.pid, signal.SIGINT)
        page.join(20)
        assert "park-scene" in rooms[0]["models"] and page.exitcode == 0


def test_without_shipped_models_messages_say_so(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(folders, "SHIPPED", tmp_path)
    with pytest.raises(UserError, match="models: the page needs trained models, and no models ship with"):
        read_offers()
    with pytest.raises(UserError, match=r"no checkpoint at park-scene: .*; no models ship with this copy"):
        seq2scene.load("park-scene")
