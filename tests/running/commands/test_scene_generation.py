"""Scenes from texts: pictures, strips and JSON, of a text alone or among others, one scene or several."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from entry_points import HEAVY, imported_by
from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.models.loading import load
from seq2scene.running.commands.generation import generate
from seq2scene.search.beam import Beam
from seq2scene.tasks.loading import build_task
from test_configs import compose_plain

pytestmark = pytest.mark.slow

TEXTS = ["Mike is happy. Jenny is next to the tree.", "", "The dog is running.", "Jenny is sad. Mike is sad."]

Generate = Callable[..., None]


@pytest.fixture(scope="module")
def saved(park_scenes: Path, tmp_path_factory) -> Path:
    """A checkpoint of an untrained model, its weights far enough from zero for texts to matter."""
    folder = tmp_path_factory.mktemp("model")
    options = ["experiment=text2scene/park", "debug=tiny_scenes", "data=abstract_scenes"]
    config = compose_plain(folder, *options, f"data.root={park_scenes}")
    data = build(config["data"], "data")
    data.prepare_data()
    data.setup()
    torch.manual_seed(0)
    task = build_task(config, data.description())
    with torch.no_grad():
        for parameter in task.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        task.model.decoder.object_decoder.output.bias[2] -= 2  # not the end at once
    parts = {"state_dict": task.state_dict(), "hyper_parameters": dict(task.hparams)}
    torch.save(parts, folder / "model.ckpt")
    return folder / "model.ckpt"


@pytest.fixture
def told(composed, saved: Path) -> Generate:
    """``generate.py`` with the model and these options."""

    def write(*options: str) -> None:
        generate(composed("generate", f"ckpt={saved}", "device=cpu", *options))

    return write


@pytest.fixture
def scenes(told: Generate, tmp_path: Path) -> Callable[..., list[dict]]:
    """The lines of JSON that are written for some texts."""

    def write(texts: list[str], *options: str) -> list[dict]:
        (tmp_path / "texts.txt").write_text("".join(f"{text}\n" for text in texts))
        told(f"file={tmp_path}/texts.txt", f"out={tmp_path}/scenes.jsonl", *options)
        return [json.loads(line) for line in (tmp_path / "scenes.jsonl").read_text().splitlines()]

    return write


def test_a_text_becomes_a_picture_a_strip_and_a_file_of_json(told: Generate, tmp_path: Path, capfd) -> None:
    told(f"text={TEXTS[0]}", f"out={tmp_path}/park/scene.png")
    assert sorted(path.name for path in (tmp_path / "park").iterdir()) == [
        "scene.json",
        "scene.png",
        "scene.strip.png",
    ]
    with Image.open(tmp_path / "park" / "scene.png") as picture:
        assert picture.size == (1000, 800)  # twice the canvas
        assert len(picture.convert("RGB").getcolors(10**6)) > 50
    with Image.open(tmp_path / "park" / "scene.strip.png") as strip:
        assert min(strip.size) > 200
    found = json.loads((tmp_path / "park" / "scene.json").read_text())
    assert found["sentences"] == ["Mike is happy.", "Jenny is next to the tree."]
    assert 1 <= len(found["objects"]) <= 9
    assert capfd.readouterr().out.split() == [f"{tmp_path}/park/scene.png"]


def test_several_texts_and_scenes_are_numbered_and_a_gif_moves(told: Generate, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text(f"{TEXTS[2]}\n{TEXTS[3]}\n")
    search = ("search=beam", "search.size=2", "search.max_length=2", "n_best=2")
    told(f"file={tmp_path}/texts.txt", f"out={tmp_path}/s.gif", *search)
    names = {f"s_{text}_{n}" for text in (1, 2) for n in (1, 2)}
    assert {path.stem for path in tmp_path.glob("*.gif")} == names
    assert {path.name for path in tmp_path.glob("*.strip.png")} == {f"{name}.strip.png" for name in names}
    objects = json.loads((tmp_path / "s_1_1.json").read_text())["objects"]
    with Image.open(tmp_path / "s_1_1.gif") as animation:
        assert 2 <= animation.n_frames <= len(objects) + 1  # the empty canvas first
    told(f"text='{TEXTS[2]}\n{TEXTS[3]}'", f"out={tmp_path}/t.gif", "search=greedy", "search.max_length=2")
    assert {path.stem for path in tmp_path.glob("t*.gif")} == {"t_1", "t_2"}


@pytest.mark.parametrize("size", [1, 3])
def test_a_scene_is_the_same_alone_and_among_others(scenes, size: int) -> None:
    together = scenes(TEXTS, f"batch_size={size}")
    assert [one["sentences"] == [] for one in together] == [False, True, False, False]
    assert together[1] == {"sentences": [], "objects": [], "log_prob": 0.0}
    for text, one in zip(TEXTS, together, strict=True):
        (alone,) = scenes([text])
        assert alone.pop("log_prob") == pytest.approx(one.pop("log_prob"), abs=1e-3)
        assert alone == one
    assert len({json.dumps(one["objects"]) for one in together}) > 2  # the text matters


def test_n_best_scenes_of_a_beam_differ_and_come_best_first(scenes) -> None:
    found = scenes(TEXTS[:3], "search=beam", "search.size=3", "n_best=3", "search.normalisation=none")
    assert len(found) == 9
    for text in (found[:3], found[6:]):
        assert len({json.dumps(one["objects"]) for one in text}) == 3
        scores = [one["log_prob"] for one in text]
        assert scores == sorted(scores, reverse=True)
    assert [one["objects"] for one in found[3:6]] == [[], [], []]


def test_samples_are_other_scenes_each_and_the_same_by_seed(scenes) -> None:
    eight = ("search=sample", "search.num_samples=8", "search.whole_objects=true")
    found = scenes(TEXTS[2:3], *eight)
    assert len({json.dumps(one["objects"]) for one in found}) == 8
    assert found == scenes(TEXTS[2:3], *eight) != scenes(TEXTS[2:3], *eight, "seed=2")
    best = scenes(TEXTS[2:3], *eight, "search.n_best=2", "search.normalisation=none")
    assert [one["log_prob"] for one in best] == sorted((one["log_prob"] for one in found), reverse=True)[:2]


def test_a_beam_of_one_writes_what_greedy_search_writes(scenes) -> None:
    assert scenes(TEXTS, "search=beam", "search.size=1") == scenes(TEXTS, "search=greedy") == scenes(TEXTS)


@pytest.mark.parametrize("search", ["greedy", "beam", "sample"])
def test_another_search_writes_no_more_objects_than_that_of_the_checkpoint(
    composed, saved: Path, tmp_path: Path, search: str
) -> None:
    parts = torch.load(saved, weights_only=True)
    parts["hyper_parameters"]["config"]["search"]["max_extra"] = 5
    torch.save(parts, tmp_path / "five.ckpt")
    wordy = [f"search={search}", "search.min_length=9", f"text={TEXTS[0]}", f"out={tmp_path}/scenes.jsonl"]
    generate(composed("generate", f"ckpt={tmp_path}/five.ckpt", "device=cpu", *wordy))
    assert len(json.loads((tmp_path / "scenes.jsonl").read_text())["objects"]) == 5


def test_more_sentences_than_the_model_reads_are_refused_with_their_number(scenes, tmp_path: Path) -> None:
    (tmp_path / "scenes.jsonl").write_text("good\n")
    with pytest.raises(
        UserError, match="text 3: this model reads at most 3 sentences per scene, but there are 4"
    ):
        scenes(
            [*TEXTS[:2], "Mike is happy. Jenny is sad. The dog runs. The sun is up.", TEXTS[2]],
            "batch_size=1",
        )
    assert (tmp_path / "scenes.jsonl").read_text() == "good\n"


def test_a_model_of_captions_reads_a_text_of_two_sentences_as_one(saved: Path) -> None:
    model = load(saved)
    text = " A dog runs. It barks! "
    assert model.sentences(text) == ["A dog runs.", "It barks!"]
    model.schema = replace(model.schema, sentences=1)
    assert model.sentences(text) == ["A dog runs. It barks!"] and model.sentences(" ") == []
    model.require_sentences([text])


def test_a_model_writes_what_the_command_writes(scenes, saved: Path) -> None:
    model, command = load(saved), scenes(TEXTS)
    written = model.write(TEXTS)
    assert [json.loads(scene.to_json()) for scene in written] == command
    assert model.write(TEXTS[0]).objects == written[0].objects and written[1].objects == ()
    best = model.write(TEXTS[0], n_best=3, search=Beam(size=3, max_ratio=0.0, max_extra=5))
    assert [scene.log_prob for scene in best] == sorted((one.log_prob for one in best), reverse=True)
    assert model.unknown("Mike sees a zebra.")[-1] == "zebra" and model.is_empty("zebra")
    with pytest.raises(UserError, match="text 2: this model reads at most 3 sentences"):
        model.write(["", "A. B. C. D."])


def test_writing_json_imports_nothing_of_training_or_drawing(saved: Path) -> None:
    script = f"import seq2scene\nprint(seq2scene.load({str(saved)!r}).write({TEXTS[0]!r}).to_json())"
    assert not imported_by(script) & HEAVY


def test_a_scene_is_drawn_step_by_step(saved: Path) -> None:
    model = load(saved)
    scene = model.write(TEXTS[0])
    steps = scene.pictures()
    assert len(steps) == len(scene.objects) + 1 and steps[0].size == (500, 400)
    assert scene.picture(scale=2.0).size == (1000, 800)
    assert model.strip(scene).width > 500


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".gif", ".webp", ".bmp", ".tiff", ".ppm"])
def test_a_picture_is_of_the_kind_that_its_name_says(told: Generate, tmp_path: Path, suffix: str) -> None:
    told(f"text={TEXTS[2]}", f"out={tmp_path}/scene{suffix}", "search.max_length=2")
    with Image.open(tmp_path / f"scene{suffix}") as picture:
        assert suffix.lower() in Image.registered_extensions()
        assert picture.format in (Image.registered_extensions()[suffix.lower()], "MPO")
    assert {path.name for path in tmp_path.iterdir()} == {f"scene{suffix}", "scene.strip.png", "scene.json"}


@pytest.mark.parametrize(
    ("out", "told_of"),
    [
        (
            "scene.svg",
            r"out=.*scene\.svg: a picture is one of \.png, .*; \.json, \.jsonl, \.txt are lines of JSON",
        ),
        ("pictures/", "is a folder: name a file in it"),
        ("", "is a folder: name a file in it"),
    ],
)
def test_a_name_that_says_no_kind_of_file_is_refused(
    told: Generate, tmp_path: Path, out: str, told_of: str
) -> None:
    with pytest.raises(UserError, match=told_of):
        told(f"text={TEXTS[2]}", f"out={tmp_path}/{out}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("search", ["greedy", "beam", "sample"])
def test_a_scene_comes_of_every_text_whatever_is_asked_for(scenes, search: str) -> None:
    found = scenes(TEXTS, f"search={search}", "search.no_repeat_ngram=1", "search.min_length=9")
    assert [bool(one["objects"]) for one in found] == [True, False, True, True]
    for one in found:
        kinds = [placed["class"] for placed in one["objects"]]
        assert len(set(kinds)) == len(kinds) and one["log_prob"] > -1e9


def test_greedy_search_finds_one_scene_and_says_so(scenes) -> None:
    with pytest.raises(UserError, match=r"n_best=2: greedy search .*use search=beam or search=sample"):
        scenes(TEXTS, "n_best=2")


@pytest.mark.parametrize("choice", ["prefix=Mike", "replace_unk=copy", "pictures=maps"])
def test_what_means_nothing_to_scenes_is_refused_by_name(scenes, choice: str) -> None:
    told = "out=NAME.png draws a scene" if "pictures" in choice else "means nothing to a model of scenes"
    with pytest.raises(UserError, match=f"{choice.split('=')[0]}: {told}"):
        scenes(TEXTS, choice)


@pytest.mark.parametrize("choice", ["patches=.", "photos=.", "edges=soft", "inpainter=."])
def test_what_is_said_of_patches_is_refused_where_there_are_none(scenes, choice: str) -> None:
    with pytest.raises(UserError, match=f"{choice.split('=')[0]}: this model pastes no patches of photos"):
        scenes(TEXTS, choice)


def test_a_scene_goes_on_from_a_file(told: Generate, scenes, tmp_path: Path, capfd) -> None:
    """As it is written beside a picture; a text without a known word adds nothing to it."""
    told(f"text={TEXTS[2]}", f"out={tmp_path}/first.png", "search.max_length=2")
    first = json.loads((tmp_path / "first.json").read_text())["objects"]
    begun = f"scene={tmp_path}/first.json"
    (same,) = scenes([""], begun)
    assert sorted(same["objects"], key=str) == sorted(first, key=str)
    assert "text 1: no word that the model knows, so nothing is added" in capfd.readouterr().err
    (tmp_path / "list.json").write_text(json.dumps(same["objects"]))
    for file in ("first", "list"):
        for one in scenes(TEXTS, f"scene={tmp_path}/{file}.json", "search.min_length=5"):
            assert [placed for placed in one["objects"] if placed in first] == same["objects"]
            assert len(one["objects"]) >= (5 if one["sentences"] else len(first))
    told(f"text={TEXTS[0]}", begun, f"out={tmp_path}/more.png", "search.min_length=5")
    more = json.loads((tmp_path / "more.json").read_text())["objects"]
    assert [placed for placed in more if placed in first] == same["objects"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"scene\.json does not exist: check scene="),
        ('{"sentences": []}', r'scene\.json: a scene needs "objects"'),
        (
            '[{"class": "hb0", "x": 1, "y": 2, "size": 0, "flip": 0, "pose": 7}]',
            r"object 1: pose=7: .*0 to 6",
        ),
        ('[{"class": "zebra"}]', r"scene=.*scene\.json, object 1: class=zebra: this model has no such class"),
    ],
)
def test_a_file_that_holds_no_scene_of_the_model_is_refused_by_key(
    scenes, tmp_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "scene.json").write_text(content)
    (tmp_path / "scenes.jsonl").write_text("good\n")
    with pytest.raises(UserError, match=message):
        scenes(TEXTS, f"scene={tmp_path}/scene.json")
    assert (tmp_path / "scenes.jsonl").read_text() == "good\n"


def test_unknown_words_and_denials_are_told_with_the_number_of_their_text(scenes, capsys) -> None:
    found = scenes(["The zebra is happy.", "Xylophone.", "The dog is running.", "Mike isn't running."])
    said = capsys.readouterr().err
    assert "text 1: unknown to the model and left out: zebra" in said
    assert "text 2: no word that the model knows, so an empty scene" in said
    assert "text 3" not in said
    assert "text 4: what is denied is mostly drawn all the same: isn't" in said
    assert [bool(one["objects"]) for one in found] == [True, False, True, True]
