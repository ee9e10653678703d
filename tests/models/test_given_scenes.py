"""Scenes that go on from what is given: it stands as it is, the rest is what the model would have written."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from random import Random
from shutil import copytree

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from seq2scene.building import build
from seq2scene.compositing.packed_store import pack
from seq2scene.errors import UserError
from seq2scene.models.folders import write_folder
from seq2scene.models.given_scenes import interleaved
from seq2scene.models.loading import load
from seq2scene.models.scene import Scene
from seq2scene.models.scene_records import read_records, scene_records
from seq2scene.models.scene_writer import SceneWriter
from seq2scene.scenes.canonical_order import in_canonical_order, ranks
from seq2scene.scenes.objects import FIRST_CLASS, Objects
from seq2scene.search.beam import Beam
from seq2scene.search.stepwise import Greedy
from seq2scene.tasks.loading import build_task
from test_configs import compose_plain

pytestmark = pytest.mark.slow

SCENES = ["data=abstract_scenes"]
LAYOUTS = ["data=coco_layout", "data.min_count=1"]
PHOTOS = ["data=coco_composite", "data.photos=.", "data.min_thing=0.001", "data.side=32", "data.min_count=1"]
PHOTOS += ["patch_encoder.hidden=8"]
CANVAS = ["canvas.side=32", "canvas.stride=2", "canvas.widths=[4,4,8]"]
RELATIONAL = ["model=relational", "debug=tiny_relational"]
MODELS = {
    "abstract": ["experiment=text2scene/park", "debug=tiny_scenes", *SCENES],
    "abstract relational": ["task=abstract", *RELATIONAL, *SCENES],
    "layout": ["task=layout", "model=text2scene_mini", "debug=tiny_scenes", *LAYOUTS],
    "layout relational": ["task=layout", *RELATIONAL, *LAYOUTS],
    "composite": ["task=composite", "model=text2scene_mini", "debug=tiny_scenes", *PHOTOS, *CANVAS],
    "composite relational": ["task=composite", *RELATIONAL, *PHOTOS],
}
TEXTS = ["Mike is happy. Jenny is next to the tree.", "The dog is running.", "Jenny is sad. Mike is sad."]
GREEDY = {"max_ratio": 0.0, "max_extra": 5, "min_length": 4}


@pytest.fixture(scope="module")
def made(park_scenes: Path, park_photos: Path, tmp_path_factory):
    """Untrained models, far enough from zero for texts and objects to matter, and their data."""
    folder = tmp_path_factory.mktemp("given")

    @cache
    def make(kind: str):
        root = park_scenes if kind.startswith("abstract") else park_photos
        overrides = [f"data.root={root}", f"data.cache={folder}/cache", "trainer=cpu"]
        config = compose_plain(folder, *MODELS[kind], *overrides)
        data = build(config["data"], "data")
        data.prepare_data()
        data.setup()
        torch.manual_seed(0)
        model = build_task(config, data.description()).model.eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        model.build_retrieval_index()
        return model, data

    return make


def texts_of(model: SceneWriter, data) -> list[str]:
    return TEXTS if model.schema.sentences > 1 else [text[0] for text in data.texts("val")][:3]


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_folder_draws_what_the_model_draws(made, kind: str, tmp_path) -> None:
    model, data = made(kind)
    texts, patches = texts_of(model, data), model.description.get("patches")
    parts = {"config": model.config, "description": dict(model.description)}
    weights = {f"model.{name}": value for name, value in model.state_dict().items()}
    checkpoint = {"state_dict": weights, "hyper_parameters": parts}
    write = None if patches is None else partial(copytree, patches)
    write_folder(tmp_path / "whole", checkpoint, {}, write_patches=write)
    again = load(tmp_path / "whole")
    ours, theirs = model.write(texts), again.write(texts)
    assert [scene.objects for scene in ours] == [scene.objects for scene in theirs]
    if patches is None:
        assert np.array_equal(ours[0].picture(), theirs[0].picture())
    else:
        theirs[0].save(tmp_path / "scene.png")
        photos = Path(model.description["photos"])
        write_folder(
            tmp_path / "few", checkpoint, {}, write_patches=partial(pack, model.store, photos, count=12)
        )
        few = load(tmp_path / "few")
        scene = few.write(texts)[0]
        names = {path.name for path in (tmp_path / "few" / "patches" / "photos").iterdir()}
        used = {one["patch"]["photo"] for one in scene.objects if "patch" in one}
        assert len(names) == 12 and used <= names
        assert scene.picture().size == ours[0].picture().size
        write_folder(tmp_path / "bare", checkpoint, {})
        with pytest.raises(UserError, match=r"bare/patches holds no patches to write composites from"):
            load(tmp_path / "bare").write(texts)


@pytest.mark.parametrize("kind", MODELS)
def test_a_step_names_its_object_and_the_words_attended_to(made, kind: str) -> None:
    model, data = made(kind)
    for scene in model.write(texts_of(model, data), search=Greedy(**GREEDY)):
        assert [step.object for step in scene.steps] == list(scene.objects)
        for step in scene.steps:
            assert step.title == scene.titles[step.object["class"]]
            assert step.words[-1] == "(end)" and step.chosen.shape == (len(step.words),)
            assert sum(weight for _, weight in step.attended) == pytest.approx(1, abs=1e-4)
            assert step.attended[0][1] == pytest.approx(step.chosen.max())


@pytest.mark.parametrize("kind", MODELS)
def test_behind_its_own_first_objects_a_model_writes_what_it_would_have_written(made, kind: str) -> None:
    model, data = made(kind)
    batch, search = model.read(texts_of(model, data)), Greedy(**GREEDY)
    with torch.inference_mode():
        free = model.decode(batch, search)
        for count in range(1, 5):
            again = model.decode(batch, search, free.objects.cut(count))
            assert torch.equal(again.objects.classes, free.objects.classes)
            assert torch.equal(again.objects.places, free.objects.places)
            for name, values in free.objects.attributes.items():
                assert torch.equal(again.objects.attributes[name], values)
            if free.objects.patches is not None:
                assert torch.equal(again.objects.patches, free.objects.patches)
            assert torch.equal(again.log_probs, free.log_probs)
    assert (free.objects.present.sum(1) >= 4).all()


def true_scenes(model: SceneWriter, data) -> list[list[dict]]:
    """Scenes of the data as files have them, with less than they may have."""
    store = data.stores["train"] if model.store is not None else None
    records = scene_records(data.truth("train"), model.schema, store)
    return [scene for scene in records if 3 <= len(scene) <= model.schema.max_objects]


def bare(objects) -> list[dict]:
    """Objects without their boxes, which those that are written have by their attributes."""
    return [{key: one[key] for key in one if key not in ("width", "height")} for one in objects]


@pytest.mark.parametrize("kind", MODELS)
def test_a_true_scene_stands_as_it_is_and_is_gone_on_from(made, kind: str) -> None:
    """Wherever its objects stand, of some texts more of them than of others; of composites, its patches."""
    model, data = made(kind)
    texts, true = texts_of(model, data), true_scenes(model, data)
    given = [true[0][:3], None, true[1][:1]]
    for search in (Greedy(**GREEDY), Beam(size=3, **GREEDY)):
        written = model.write(texts, given=given, search=search)
        for scene, standing in zip(written, given, strict=True):
            stands = bare(standing or [])
            assert [one for one in bare(scene.objects) if one in stands] == stands
            assert len(scene.objects) >= 4
        for number in (0, 1):
            alone = model.write(texts[number], given=given[number], search=search)
            kinds, expected = ([one["class"] for one in scene.objects] for scene in (alone, written[number]))
            assert kinds == expected
            torch.testing.assert_close(places_of(alone), places_of(written[number]), atol=0.1, rtol=0)


@pytest.mark.parametrize("kind", MODELS)
def test_a_text_without_a_known_word_adds_nothing(made, kind: str) -> None:
    model, data = made(kind)
    begun = model.write(texts_of(model, data)[0], search=Greedy(**GREEDY))
    begun = model.write("", given=begun)  # in canonical order
    for text in ("", "Xylophone."):
        for scene in model.write(["", text], n_best=2, search=Beam(size=2, **GREEDY), given=[None, begun])[1]:
            assert scene.objects == begun.objects and scene.log_prob == 0
            assert torch.equal(*(places_of(one) for one in (scene, begun)))
            assert model.strip(scene).width > 0
    assert len(begun.objects) >= 4


def places_of(scene: Scene) -> torch.Tensor:
    objects = scene.written.objects
    return objects.places[objects.present]


@pytest.mark.parametrize("kind", ["abstract", "layout"])
def test_the_data_has_its_scenes_in_the_order_that_given_objects_are_put_in(made, kind: str) -> None:
    """Composites, too, but where pixels tie and shares of the photo differ by a rounding."""
    model, data = made(kind)
    truth = data.truth("train")
    ordered = in_canonical_order(truth, model.schema)
    assert torch.equal(ordered.classes, truth.classes) and torch.equal(ordered.places, truth.places)


def turns_of(model: SceneWriter, scene: list[dict]) -> list[tuple[float, ...]]:
    return ranks(read_records([scene], [""], model.schema, model.store), model.schema)[0]


def in_mind(whole: Objects) -> Callable[[Objects], Objects]:
    """A model that has certain scenes in mind: it writes what comes in them behind the last object there."""

    def write(begun: Objects) -> Objects:
        rows = []
        for classes, there in zip(whole.classes.tolist(), begun.classes.tolist(), strict=True):
            stands = [one for one in there if one >= FIRST_CLASS]
            first = classes.index(stands[-1]) + 1 if stands else 0
            rest = [place for place in range(first, len(classes)) if classes[place] >= FIRST_CLASS]
            places = [*range(len(stands)), *(len(there) + place for place in rest)]
            rows.append(torch.tensor(places, dtype=torch.int64))
        return begun.beside(whole).take(pad_sequence(rows, batch_first=True, padding_value=-1))

    return write


@pytest.mark.parametrize("kind", ["abstract", "layout", "composite"])
def test_a_model_writes_the_scene_it_has_in_mind_whatever_part_of_it_is_given(made, kind: str) -> None:
    """Each object in its turn: true scenes come back from any of their objects, in any order."""
    model, data = made(kind)
    schema, store = model.schema, model.store
    true = [bare(scene) for scene in true_scenes(model, data)]
    true = [scene for scene in true if len({one["class"] for one in scene}) == len(scene)]
    true = [scene for scene in true if len({*turns_of(model, scene)}) == len(scene)][:6]
    names = [""] * len(true)
    whole = in_canonical_order(read_records(true, names, schema, store), schema)
    write, room, random = in_mind(whole), torch.full((len(true),), 99), Random(0)
    for _ in range(8):
        given = [random.sample(scene, random.randint(0, len(scene))) for scene in true]
        some = in_canonical_order(read_records(given, names, schema, store), schema)
        again = write(interleaved(write, some, schema, room, schema.limits()))
        for row, scene in enumerate(true):
            here = again.classes[row] >= FIRST_CLASS
            assert again.classes[row][here].tolist() == whole.classes[row, : len(scene)].tolist()
            assert torch.equal(again.places[row][here], whole.places[row, : len(scene)])
    assert len(true) > 2


def test_what_is_still_to_come_has_its_room(made) -> None:
    """A model that would fill the scene by itself leaves out what would take the place of what is given."""
    model, data = made("abstract")
    schema, true = model.schema, max(true_scenes(model, data), key=len)
    whole, last = (read_records([scene], [""], schema) for scene in (true, true[-1:]))
    write = in_mind(whole)
    for room in range(1, len(true)):
        found = interleaved(write, last, schema, torch.tensor([room]), schema.limits())
        assert found.classes[0].tolist() == [*whole.classes[0, : room - 1].tolist(), int(last.classes)]
    far = next(
        one for one in true if one["class"][:2] != "s_" and one["size"] == 1
    )  # the model has it in mind
    nearer = read_records([[{**far, "size": 0}]], [""], schema)
    found = interleaved(write, nearer, schema, torch.tensor([99]), schema.limits())
    assert found.classes[0].tolist().count(int(nearer.classes)) == 1
    often = interleaved(write, nearer, schema, torch.tensor([99]), None)
    assert often.classes[0].tolist().count(int(nearer.classes)) == 2


def test_a_scene_is_written_anew_around_what_is_left_of_it(made) -> None:
    model, _ = made("abstract relational")
    search = Greedy(**GREEDY)
    scene = model.write(TEXTS[0], search=search)
    gone = scene.titles[scene.objects[0]["class"]]
    left = model.write("", given=scene.without(gone)).objects
    assert sorted(left, key=str) == sorted(scene.objects[1:], key=str)
    anew = model.write(TEXTS[2], given=scene.without(gone), search=search)
    assert [one for one in anew.objects if one in left] == [*left]
    there = model.write(TEXTS[2], given=scene.moved(0, 12, 34.5), search=search).objects
    assert {**scene.objects[0], "x": 12.0, "y": 34.5} in there


def test_a_scene_keeps_all_its_digits_unless_its_values_were_changed(made) -> None:
    model, _ = made("abstract relational")
    scene = model.write(TEXTS[0], search=Greedy(**GREEDY))
    exact = sorted(places_of(scene).tolist())
    assert sorted(places_of(model.write("", given=scene)).tolist()) == exact
    assert sorted(places_of(model.write("", given=scene.objects)).tolist()) != exact
    scene.objects[0]["x"] = 77.0
    assert 77.0 in places_of(model.write("", given=scene))[:, 0]


def test_given_objects_count_among_those_that_a_scene_may_have(made) -> None:
    """No thing of the park comes twice, and no scene has more objects than the model places."""
    model, data = made("abstract relational")
    true = max(true_scenes(model, data), key=len)
    wordy = Greedy(max_ratio=0.0, max_extra=model.schema.max_objects, min_length=model.schema.max_objects)
    for count in (0, 1, len(true)):
        scene = model.write(TEXTS[0], given=true[:count], search=wordy)
        kinds = [one["class"] for one in scene.objects]
        assert len(kinds) == len(set(kinds)) == model.schema.max_objects


def test_a_patch_may_be_left_to_the_model(made) -> None:
    model, data = made("composite")
    given = [{key: one[key] for key in one if key != "patch"} for one in true_scenes(model, data)[0][:2]]
    scene = model.write(texts_of(model, data)[0], given=given)
    objects = scene.written.objects
    shown = objects.patches[objects.present]
    assert model.store.classes[shown].tolist() == objects.classes[objects.present].tolist()
    assert {(one["x"], one["y"]) for one in given} <= {(one["x"], one["y"]) for one in scene.objects}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda true: [true[0], None], r"given: 2 scenes for 3 texts; give one for each"),
        (lambda true: [None, true[0][0], None], r"given 2: a scene is a list of objects"),
        (lambda true: [None, None, [{**true[0][0], "pose": 9}]], r"given 3, object 1: pose"),
        (
            lambda true: [None, [true[0][0]] * 2, None],
            r"given 2: 2 objects of class \w+, and no training scene has more than 1; .*repeat_objects=true",
        ),
        (lambda true: [[true[0][0]] * 30, None, None], r"given 1: 30 objects; this model places at most \d+"),
    ],
)
def test_what_the_model_could_not_have_written_is_refused(made, change, told: str) -> None:
    model, data = made("abstract")
    with pytest.raises(UserError, match=told):
        model.write(TEXTS, given=change(true_scenes(model, data)))


def test_a_class_may_come_more_often_on_request(made) -> None:
    model, data = made("abstract")
    twice = [true_scenes(model, data)[0][0]] * 2
    scene = model.write(TEXTS[0], given=twice, search=Greedy(repeat_objects=True, **GREEDY))
    assert [one for one in scene.objects if one in twice] == twice


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        (lambda own, other: {**own, "id": "none"}, r"patch=.* is not in "),
        (lambda own, other: {**own, "photo": "none.jpg"}, r"patch=.* is not in "),
        (lambda own, other: 7, r"patch=7 is not in "),
        (lambda own, other: other, r"patch=.* shows an object of class \w+, not \w+"),
    ],
)
def test_a_patch_that_cannot_be_pasted_is_refused(made, patch, told: str) -> None:
    model, data = made("composite")
    scene = next(one for one in true_scenes(model, data) if one[0]["class"] != one[1]["class"])
    wrong = [{**scene[0], "patch": patch(scene[0]["patch"], scene[1]["patch"])}]
    with pytest.raises(UserError, match=f"given, object 1: {told}"):
        model.write("A dog.", given=wrong)
