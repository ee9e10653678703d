"""The page's server with real models: what rooms answer, and what it refuses."""

import json
import socket
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from seq2scene.app.model_table import ModelTable, read_offers
from seq2scene.app.requests import MOST_BYTES
from seq2scene.app.server import create_app, serve
from seq2scene.errors import UserError
from seq2scene.models import folders
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.models.folders import write_folder
from seq2scene.models.loading import load
from seq2scene.plotting.scene_picture import draw_scene
from small_page_models import write_checkpoints

pytestmark = pytest.mark.slow

SEEN = (("s_3", 60), ("p_8", 200), ("a_2", 330), ("t_0", 440))  # class and x
TEXT = "Mike is happy. Jenny is next to the tree."


@pytest.fixture(scope="module")
def paths(park_photos: Path, tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("page")
    return write_checkpoints(folder, {"scene": folder, "layout": park_photos, "composite": park_photos})


@pytest.fixture(scope="module")
def client(paths: list[str]) -> Iterator[TestClient]:
    app = create_app(ModelTable(read_offers(paths)))
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def ask(client: TestClient, action: str, room: str = "scene", **fields) -> dict:
    answer = client.post(f"/api/{room}/{action}", json={"model": room, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def refusal(client: TestClient, action: str, status: int = 400, room: str = "scene", **fields) -> str:
    answer = client.post(f"/api/{room}/{action}", json={"model": room, **fields})
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


# What rooms answer


def test_each_model_opens_the_rooms_of_its_class(client: TestClient) -> None:
    rooms = {room["name"]: room["models"] for room in client.get("/api/rooms").json()["rooms"]}
    assert rooms.items() >= {"scene": ["scene"], "layout": ["layout"], "composite": ["composite"]}.items()


def test_a_model_is_loaded_when_it_is_used(paths: list[str]) -> None:
    table = ModelTable(read_offers(paths))
    with TestClient(create_app(table), base_url="http://localhost") as client:
        ask(client, "describe", "layout")
        assert {*table.loaded} == {"scene", "layout"}  # the first room's first model, and the one asked


def test_the_page_writes_what_the_model_writes(client: TestClient, paths: list[str]) -> None:
    found, scene = ask(client, "write", text=TEXT), load(paths[0]).write(TEXT)
    assert found["scenes"][0]["objects"] == list(scene.objects)
    assert len(found["scenes"][0]["chosen"][0]) == len(found["words"])


@pytest.mark.parametrize("room", ["scene", "layout", "composite"])
def test_going_on_keeps_what_was_given(client: TestClient, room: str) -> None:
    objects = ask(client, "write", room, text=TEXT.split(".")[0])["scenes"][0]["objects"]
    kept = ask(client, "write", room, text="A dog is near the tree.", given=objects[:2])["scenes"][0][
        "objects"
    ]
    assert all(any(one["class"] == other["class"] for other in kept) for one in objects[:2])
    assert ask(client, "write", room, text="", given=objects[:2])["scenes"][0]["chosen"] is None


def test_samples_differ_and_a_seed_repeats_them(client: TestClient) -> None:
    four = [ask(client, "write", text=TEXT, samples=4, seed=seed)["scenes"] for seed in (1, 1, 2)]
    assert four[0] == four[1] != four[2]
    assert len({json.dumps(scene["objects"]) for scene in four[0]}) > 1


def test_facts_of_the_text_are_checked_on_edited_objects(client: TestClient) -> None:
    mike = {"class": "hb0", "x": 200, "y": 300, "size": 0, "flip": 0, "pose": 0, "expression": 2}
    hotdog = {"class": "e_2", "x": 250, "y": 282, "size": 0, "flip": 0}
    sky = {"class": "s_3", "x": 60, "y": 60, "size": 1, "flip": 0}
    text = "Mike holds a hotdog. Qwerty."

    def holds(*objects: dict) -> list[bool]:
        found = ask(client, "check", text=text, objects=list(objects))
        assert found["checkable"] and not found["sentences"][1]["facts"]
        return [fact["holds"] for fact in found["sentences"][0]["facts"]]

    assert holds(mike, hotdog) == [True, True, True]
    assert holds(mike, {**hotdog, "x": 400}) == [True, True, False]
    assert holds(mike) == [True, False, False]
    assert ask(client, "check", text="", objects=[mike, hotdog, sky])["order"] == [2, 0, 1]


def test_pictures_are_those_of_the_painter(client: TestClient, paths: list[str]) -> None:
    model, objects = load(paths[0]), ask(client, "write", text=TEXT)["scenes"][0]["objects"]
    png = client.post("/api/scene/draw", json={"model": "scene", "objects": objects, "form": "png"})
    drawn = draw_scene(model.read_given([objects]), model.schema, model.description["pictures"], 2.0)
    assert np.array_equal(np.asarray(Image.open(BytesIO(png.content))), drawn)
    # Far apart: a GIF has no frame for what is hidden as soon as it is placed
    objects = [{"class": name, "x": x, "y": 200, "size": 1, "flip": 0} for name, x in SEEN]
    gif = client.post("/api/scene/draw", json={"model": "scene", "objects": objects, "form": "gif"})
    assert Image.open(BytesIO(gif.content)).n_frames == len(objects) + 1
    assert 'filename="scene.gif"' in gif.headers["content-disposition"]


def test_layers_of_a_composite_lie_where_the_composite_shows_them(client: TestClient) -> None:
    objects = ask(client, "write", "composite", text="A dog.")["scenes"][0]["objects"]
    layers = ask(client, "layers", "composite", objects=objects)["layers"]
    assert len(layers) == len(objects) and all("license" in one["patch"] for one in objects)
    bare = [{key: value for key, value in objects[0].items() if key != "patch"}]
    assert ask(client, "layers", "composite", objects=bare)["layers"] == [None]


def attend(client: TestClient, action: str, status: int = 200, **fields) -> dict:
    answer = client.post(f"/api/attention/{action}", json={"text": TEXT, **fields})
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize("writer", ["scene", "layout"])
def test_writers_of_scenes_may_look_elsewhere(client: TestClient, paths: list[str], writer: str) -> None:
    text = TEXT.split(".")[0]
    own = attend(client, "draw", writer=writer, text=text)
    assert (
        own["desk"] == writer
        and own["objects"] == ask(client, "write", writer, text=text)["scenes"][0]["objects"]
    )
    assert len(own["steps"]) == len(own["objects"]) + 1 and own["steps"][-1]["id"] == ""
    weights = [0] * (len(own["words"]) - 1) + [1]
    changed = attend(client, "redraw", writer=writer, text=text, number=1, weights=weights)
    assert changed["objects"][:1] == own["objects"][:1] and changed["steps"][1]["attention"] == weights
    masked = attend(client, "redraw", writer=writer, text=text, number=0, masked=[1])
    assert masked["steps"][0]["attention"][1] == 0


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"writer": "composite"}, 404, "no such model"),
        ({"text": "a dog " * 40}, 400, "at most 60"),
        ({"text": "a. b. c. d."}, 400, "at most 3 sentences"),
        ({"weights": [1]}, 400, "one for each"),
        ({"masked": [60]}, 400, "positions"),
        ({"number": -1}, 400, "from 0"),
        ({"number": 1e300}, 400, "whole number"),
    ],
)
def test_looking_elsewhere_has_its_limits(client: TestClient, fields: dict, status: int, said: str) -> None:
    assert said in attend(client, "redraw", status, **{"writer": "scene", **fields})["error"]


# What is refused


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\0", "not text"),
        ("\ud800", "not text"),
        ("\x7f", "not text"),
        ("\x9f", "not text"),
        ("a" * 2001, "at most 2000"),
        (7, "a text is needed"),
        (". ".join("abcd"), "at most 3 sentences"),
    ],
)
def test_texts_that_are_none_are_refused(client: TestClient, text: object, said: str) -> None:
    body = json.dumps({"model": "scene", "text": text}).encode()
    answer = client.post("/api/scene/write", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400 and said in answer.json()["error"]


@pytest.mark.parametrize(
    ("text", "read"),  # invisible characters are left out
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("\N{DOG}\N{ZERO WIDTH JOINER}\N{SAFETY VEST} \N{BALLOON}", "\N{DOG}\N{SAFETY VEST} \N{BALLOON}"),
        ("\N{RIGHT-TO-LEFT MARK}مايك يحمل الكرة", "مايك يحمل الكرة"),
        ("' OR 1=1 --", "' OR 1=1 --"),
        ("", None),
    ],
)
def test_strange_texts_are_texts(client: TestClient, text: str, read: str | None) -> None:
    found = ask(client, "write", text=text)
    assert found["sentences"] == [read] * (read is not None) and len(found["scenes"]) == 1


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"x" * (MOST_BYTES + 1), 413, "bytes"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b'{"a":' * 20_000, 400, "nested too deeply"),
        (b"{", 400, "not JSON"),
        (b"[]", 400, "a JSON object"),
        (b"\xff\xfe", 400, "not JSON"),
        (b'{"model": "scene", "text": "", "objects": [{"x": NaN}]}', 400, "NaN"),
        (b'{"model": "scene", "text": "", "given": [{"x": 1e999}]}', 400, "too large"),
        (b'{"model": "scene", "text": "", "seed": 1' + b"0" * 5000 + b"}", 400, "not JSON"),
        (b'{"model": "scene", "text": "", "samples": 1000000}', 400, "from 1 to 4"),
        (b'{"model": "scene", "text": "", "out": "/tmp/x"}', 400, "no such field"),
    ],
)
def test_what_is_no_request_is_refused(client: TestClient, body: bytes, status: int, said: str) -> None:
    answer = client.post("/api/scene/write", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status and said in answer.json()["error"]


def test_a_body_without_a_length_is_cut_off(client: TestClient) -> None:
    chunks = (b" " * 65536 for _ in range(16))
    answer = client.post("/api/scene/write", content=chunks, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize("model", ["../scene", "/etc/passwd", "layout", "", None, ["scene"], "scene\0"])
def test_only_the_rooms_own_models_are_found(client: TestClient, model: object) -> None:
    assert "no such model" in refusal(client, "describe", 404, model=model)


@pytest.mark.parametrize(
    "address",
    [
        *("/pictures/scene/scene/..%2f..%2fbest.png", "/pictures/scene/..%2fscene/s_3s.png"),
        *(
            "/pictures/scene/scene/%00.png",
            "/pictures/layout/layout/s_3s.png",
            "/pictures/scene/layout/s_3s.png",
        ),
        *("/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2fserver.py", "/api/scene/load"),
        "/api/rooms/",
    ],
)
def test_addresses_lead_to_no_files(client: TestClient, address: str) -> None:
    assert client.get(address).status_code in (404, 405)


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ([{"class": "zebra", "x": 1, "y": 1}], "class=zebra: this model has no such class"),
        ([{"class": "s_3", "x": 1, "y": 1, "size": 0}], "flip=None"),
        ([{"class": "s_3", "x": 1, "y": 1, "size": 9, "flip": 0}], "size=9"),
        ([{"class": "s_3", "x": 1e8, "y": 1, "size": 0, "flip": 0}], "in canvas units"),
        ([{"class": "s_3", "x": "1", "y": 1, "size": 0, "flip": 0}], "in canvas units"),
        ([{"class": "s_3", "x": [], "y": 1}], "x is neither a number nor a text"),
        ([{"class": None, "x": 1, "y": 1}], "class is neither a number nor a text"),
        ([{"class": "s_3", "x": 1e300, "y": 1}], "x is too large"),
        ([{"k" * 100_000: 1}], "no such class"),
        ([{"class": "s_3", "x": 1, "y": 1, "size": 0, "flip": 0, "href": "javascript:"}], "no such key"),
        ([{"class": "s_3", "x": 1, "y": 1, "size": 0, "flip": 0}] * 61, "at most 60"),
        ([{"class": "s_3", "x": 1, "y": 1, "size": 0, "flip": 0}] * 2, "no training scene has more"),
        ({"class": "s_3"}, "a list of objects"),
    ],
)
def test_objects_of_no_scene_of_the_model_are_refused(client: TestClient, objects: object, said: str) -> None:
    message = refusal(client, "check", text="", objects=objects)
    assert said in message and len(message) < 700


def test_a_patch_that_the_model_has_not_is_refused_without_its_folder(client: TestClient, paths) -> None:
    (one, *_) = ask(client, "write", "composite", text="A dog.")["scenes"][0]["objects"]
    for patch in ({**one["patch"], "id": "../../x"}, {"photo": {}, "id": []}, 7):
        said = refusal(client, "check", room="composite", text="", objects=[{**one, "patch": patch}])
        assert "patch" in said and str(Path(paths[2]).parents[1]) not in said


def test_other_sites_are_kept_out(client: TestClient) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
    assert client.get("/", headers={"Host": "localhost.evil.example"}).status_code == 403
    assert client.get("/api/rooms", headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.get("/", headers={"Host": "127.0.0.1:8000"}).status_code == 200
    plain = client.post("/api/scene/describe", content=b"{}", headers={"Content-Type": "text/plain"})
    assert plain.status_code == 415


def test_every_response_forbids_foreign_content(client: TestClient) -> None:
    for address in ("/", "/api/rooms", "/static/page.js", "/nowhere", "/pictures/scene/scene/s_3s.png"):
        headers = client.get(address).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_a_model_whose_weights_are_not_numbers_is_not_used_and_visitors_read_no_path(
    paths: list[str], tmp_path: Path, capsys
) -> None:
    checkpoint = torch.load(paths[0], weights_only=True)
    next(iter(checkpoint["state_dict"].values())).view(-1)[0] = torch.nan
    torch.save(checkpoint, tmp_path / "diverged.ckpt")
    table = ModelTable(read_offers([str(tmp_path / "diverged.ckpt")]))
    (name,) = table.offers
    with TestClient(create_app(table), base_url="http://localhost") as client:
        answer = client.post("/api/scene/write", json={"model": name, "text": TEXT})
    assert answer.status_code == 400
    assert answer.json()["error"] == f"the model {name} cannot be loaded; the server's terminal says why"
    said = capsys.readouterr().err
    assert f"error: {tmp_path}/diverged.ckpt: 1 of" in said and "not finite: training had diverged" in said


def test_a_model_that_ships_has_its_room_under_its_name(
    paths: list[str], tmp_path: Path, monkeypatch
) -> None:
    write_folder(tmp_path / "park-layout", load_checkpoint(Path(paths[1])), {})
    monkeypatch.setattr(folders, "SHIPPED", tmp_path)
    for models in (None, ["park-layout"]):
        with TestClient(create_app(ModelTable(read_offers(models))), base_url="http://localhost") as client:
            rooms = {room["name"]: room["models"] for room in client.get("/api/rooms").json()["rooms"]}
            assert rooms["layout"] == ["park-layout"]
            client.post(
                "/api/layout/write", json={"model": "park-layout", "text": "A dog."}
            ).raise_for_status()


def test_without_models_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs trained models"):
        read_offers([])
    with pytest.raises(UserError, match="no checkpoint at"):
        read_offers([str(tmp_path / "none")])
    with pytest.raises(UserError, match="needs trained models"):
        serve([])


def test_a_port_that_is_taken_is_named_and_others_than_this_machine_are_warned_of(
    paths: list[str], capsys
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for host in ("127.0.0.1", "0.0.0.0"):
            with pytest.raises(UserError, match=f"port={port}: it cannot be used on {host} .*already in use"):
                serve(paths[:1], host=host, port=port)
    with pytest.raises(UserError, match="from 0 to 65535"):
        serve(paths[:1], port=70_000)
    assert "warning: host=0.0.0.0: everybody who reaches this machine" in capsys.readouterr().err
