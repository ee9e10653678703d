"""model=relational in every task of scenes: it trains, writes exact places, and nothing twice."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.models.scene_strips import strip_of
from seq2scene.scenes.objects import FIRST_CLASS
from seq2scene.scenes.statements import statements
from seq2scene.tasks.loading import build_task, task_of
from test_configs import compose_plain

pytestmark = pytest.mark.slow

SMALL = ["model=relational", "debug=tiny_relational", "trainer=cpu", "data.batch_size=4"]
PHOTOS = ["data.min_count=1"]


@pytest.fixture(scope="module")
def roots(park_scenes: Path, park_photos: Path) -> dict[str, Path]:
    return {"abstract": park_scenes, "layout": park_photos, "composite": park_photos}


@pytest.fixture(scope="module")
def made(roots):
    def make(task: str, *overrides: str):
        of_task = {
            "abstract": ["data=abstract_scenes"],
            "layout": ["data=coco_layout", *PHOTOS],
            "composite": [
                *("data=coco_composite", "data.photos=.", "data.min_thing=0.001", "data.side=32"),
                *("patch_encoder.hidden=8", f"data.cache={roots['composite'] / 'cache'}", *PHOTOS),
            ],
        }
        root = f"data.root={roots[task]}"
        config = compose_plain(roots[task], f"task={task}", *SMALL, *of_task[task], root, *overrides)
        data = build(config["data"], "data")
        data.prepare_data()
        data.setup()
        torch.manual_seed(1)
        return build_task(config, data.description()), data

    return make


@pytest.mark.parametrize("task", ["abstract", "layout", "composite"])
def test_it_trains_and_writes_in_every_task(made, task: str, tmp_path: Path) -> None:
    model, data = made(task)
    batch = next(iter(data.train_dataloader()))
    loss = model.train().loss(batch)
    loss.total.backward()
    assert loss.total.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    path = tmp_path / "model.ckpt"
    torch.save({"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams)}, path)
    again, texts = task_of(load_checkpoint(path)), next(iter(data.val_dataloader())).texts
    for one in (model, again):
        one.eval().build_retrieval_index()
    ours, theirs = (one.write(texts, "val") for one in (model, again))
    assert torch.equal(ours.objects.classes, theirs.objects.classes)
    assert torch.equal(ours.objects.places, theirs.objects.places)
    assert torch.equal(ours.object_attention, theirs.object_attention)
    if task == "composite":
        there = torch.isin(ours.objects.classes, torch.from_numpy(model.store.classes))
        assert torch.equal(ours.objects.patches >= 0, there) and there.any()
        widths, heights = ours.objects.extents[there].unbind(1)  # as pasted: patches keep their aspect
        ratios = torch.from_numpy(model.store.ratios)[ours.objects.patches[there]]
        torch.testing.assert_close(widths / heights, ratios)
        sides = replace(ours.objects, extents=None)
        areas = model.schema.boxes(sides)[there][:, 2:].prod(1)
        torch.testing.assert_close(widths * heights, areas)


@pytest.mark.parametrize("task", ["layout", "composite"])
def test_a_training_text_joins_captions_of_its_photo_with_what_they_state(made, task: str) -> None:
    _, data = made(task, "data.joined=3", "data.drop_sentences=0.5")
    captions, facts = data.texts("train"), data._facts_of_sentences("train")
    first, joined = data._of("train").first, set()
    scene_of = data._of("train").scenes
    for batch in data.train_dataloader():
        lengths = batch.texts.lengths.view(-1, 3)
        for row, sample in enumerate(batch.rows.tolist()):
            joined.add(int((lengths[row] > 0).sum()))
            scene = scene_of[sample]
            sayable = statements(
                [one for text in facts[first[scene] : first[scene] + 5] for one in text[0]], data.schema
            ).tolist()
            stated = batch.stated[batch.stated[:, 0] == row, 1:].tolist()
            assert all(one in sayable for one in stated)
    assert joined == {1, 2, 3} and len(captions) == len(facts)
    lengths = next(iter(data.val_dataloader())).texts.lengths.view(-1, 3)
    assert (lengths[:, 0] > 0).all() and (lengths[:, 1:] == 0).all()


def test_places_are_exact_and_no_class_comes_more_often_than_in_training(made) -> None:
    model, data = made("abstract", "search.min_length=9", "data.max_objects=9")
    assert model.schema.most and max(model.schema.most) == 1  # no scene of the park has a thing twice
    written = model.eval().write(next(iter(data.val_dataloader())).texts).objects
    assert (written.present.sum(1) == 9).all()
    for row in written.classes:
        chosen = row[row >= FIRST_CLASS]
        assert len(chosen.unique()) == len(chosen)
    grid = model.schema.grid
    assert not torch.allclose(written.places, grid.point(grid.cell(written.places)))
    free, _ = made("abstract", "search.min_length=9", "search.repeat_objects=true")
    often = free.eval().write(next(iter(data.val_dataloader())).texts).objects
    assert any(len(row[row >= FIRST_CLASS].unique()) < (row >= FIRST_CLASS).sum() for row in often.classes)


def test_a_strip_shows_where_the_text_was_read(made) -> None:
    model, data = made("abstract", "search.min_length=2")
    sentences = data.texts("val")[0]
    written = model.eval().write(data.reader.batch([sentences]))
    assert strip_of(model.model, written, 0, model.model.words(sentences)).shape[2] == 3


def test_only_a_model_that_relates_objects_learns_of_pairs(made) -> None:
    options = ["model=text2scene_mini", "canvas=semantic", "debug=tiny_scenes"]
    with pytest.raises(UserError, match=r"loss.statements=4.0: only model=relational"):
        made("abstract", *options, "loss.statements=4.0")


def test_without_attention_to_pairs_places_are_still_learnt_of_each_anchor(made) -> None:
    model, data = made("abstract", "attribute_attention=none")
    batch = next(iter(data.train_dataloader()))
    assert batch.stated is not None
    assert model.loss(batch).total > model.loss(replace(batch, stated=batch.stated[:0])).total


@pytest.mark.parametrize(
    ("model", "canvas", "told"),
    [
        ("relational", "semantic", "canvas=none"),
        ("text2scene_mini", "none", "canvas=semantic"),
    ],
)
def test_a_canvas_that_a_model_cannot_use_is_refused(made, model: str, canvas: str, told: str) -> None:
    tiny = "tiny_relational" if model == "relational" else "tiny_scenes"
    with pytest.raises(UserError, match=f"canvas.*{told}"):
        made("abstract", f"model={model}", f"canvas={canvas}", f"debug={tiny}")
