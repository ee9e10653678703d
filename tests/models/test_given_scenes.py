"""Scenes that go on from what is given: it stands as it is, the rest is what the model would have written."""

from functools import cache

import pytest
import torch

from seq2scene.building import build
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.data.park.scenes_writing import ensure_scenes
from seq2scene.errors import UserError
from seq2scene.models.scene_records import scene_records
from seq2scene.models.scene_writer import Scene, SceneWriter
from seq2scene.scenes.objects import FIRST_CLASS
from seq2scene.search.beam import Beam
from seq2scene.search.stepwise import Greedy
from seq2scene.tasks.loading import build_task
from test_configs import compose_plain

SCENES = ["data=abstract_scenes"]
LAYOUTS = ["data=coco_layout", "data.min_count=1"]
PHOTOS = ["data=coco_composite", "data.photos=.", "data.min_thing=0.001", "data.side=32", "data.min_count=1"]
PHOTOS += ["patch_encoder.hidden=8"]
CANVAS = ["canvas.side=32", "canvas.stride=2", "canvas.widths=[4,4,8]"]
RELATIONAL = ["model=relational", "debug=tiny_relational"]
MODELS = {
    "abstract": ["task=abstract", "debug=tiny_scenes", *SCENES],
    "abstract relational": ["task=abstract", *RELATIONAL, *SCENES],
    "layout": ["task=layout", "debug=tiny_scenes", *LAYOUTS],
    "layout relational": ["task=layout", *RELATIONAL, *LAYOUTS],
    "composite": ["task=composite", "debug=tiny_scenes", *PHOTOS, *CANVAS],
    "composite relational": ["task=composite", *RELATIONAL, *PHOTOS],
}
TEXTS = ["Mike is happy. Jenny is next to the tree.", "The dog is running.", "Jenny is sad. Mike is sad."]
GREEDY = {"max_ratio": 0.0, "max_extra": 5, "min_length": 4}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Untrained models, far enough from zero for texts and objects to matter, and their data."""
    folder = tmp_path_factory.mktemp("given")
    scenes = ensure_scenes(folder / "scenes", train=24, val=4, test=4)
    photos = ensure_photos(folder / "photos", train=24, val=6)

    @cache
    def make(kind: str):
        root = scenes if kind.startswith("abstract") else photos
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


@pytest.mark.parametrize("kind", MODELS)
def test_a_true_scene_stands_as_it_is_and_is_gone_on_from(made, kind: str) -> None:
    """Wherever its objects stand, of some texts more of them than of others; of composites, its patches."""
    model, data = made(kind)
    texts, true = texts_of(model, data), true_scenes(model, data)
    given = [true[0][:3], None, true[1][:1]]
    for search in (Greedy(**GREEDY), Beam(size=3, **GREEDY)):
        written = model.write(texts, given=given, search=search)
        for scene, standing in zip(written, given, strict=True):
            stands = [*standing] if standing else []
            for mine, theirs in zip(scene.objects, stands, strict=False):
                assert mine | {key: theirs[key] for key in ("width", "height") if key in theirs} == theirs
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


def test_objects_are_put_in_the_order_that_the_model_learnt(made) -> None:
    model, data = made("abstract relational")
    true = next(scene for scene in true_scenes(model, data) if len({one["class"] for one in scene}) >= 4)
    given = [true[3], true[0], true[2], true[1]]
    first = [model.write(TEXTS[0], given=one).objects[:4] for one in (given, true[:4])]
    depths = [(one["class"][:2] != "s_", -one["size"]) for one in first[0]]
    assert depths == sorted(depths) == [(one["class"][:2] != "s_", -one["size"]) for one in true[:4]]
    assert sorted(first[0], key=str) == sorted(first[1], key=str) == sorted(true[:4], key=str)
    assert first[1] == tuple(true[:4])  # those that the order leaves alone stay as they came


def test_a_scene_is_written_anew_behind_what_is_left_of_it(made) -> None:
    model, _ = made("abstract relational")
    search = Greedy(**GREEDY)
    scene = model.write(TEXTS[0], search=search)
    gone = scene.titles[scene.objects[0]["class"]]
    left = model.write("", given=scene.without(gone)).objects
    assert sorted(left, key=str) == sorted(scene.objects[1:], key=str)
    assert model.write(TEXTS[2], given=scene.without(gone), search=search).objects[: len(left)] == left
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
    for count in range(len(true) + 1):
        scene = model.write(TEXTS[0], given=true[:count], search=wordy)
        kinds = [one["class"] for one in scene.objects]
        assert len(kinds) == len(set(kinds)) == model.schema.max_objects


def test_a_patch_may_be_left_to_the_model(made) -> None:
    model, data = made("composite")
    bare = [{key: one[key] for key in one if key != "patch"} for one in true_scenes(model, data)[0][:2]]
    scene = model.write(texts_of(model, data)[0], given=bare)
    shown = scene.written.objects.patches[0, :2]
    assert (shown >= 0).all()
    assert [
        FIRST_CLASS + model.schema.names.index(one["class"]) for one in scene.objects[:2]
    ] == model.store.classes[shown].tolist()


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
    assert list(scene.objects[:2]) == twice


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        (lambda own, other: {**own, "id": "none"}, r"patch=.* is none of "),
        (lambda own, other: {**own, "photo": "none.jpg"}, r"patch=.* is none of "),
        (lambda own, other: 7, r"patch=7 is none of "),
        (lambda own, other: other, r"patch=.* shows an object of class \w+, not \w+"),
    ],
)
def test_a_patch_that_cannot_be_pasted_is_refused(made, patch, told: str) -> None:
    model, data = made("composite")
    scene = next(one for one in true_scenes(model, data) if one[0]["class"] != one[1]["class"])
    wrong = [{**scene[0], "patch": patch(scene[0]["patch"], scene[1]["patch"])}]
    with pytest.raises(UserError, match=f"given, object 1: {told}"):
        model.write("A dog.", given=wrong)
