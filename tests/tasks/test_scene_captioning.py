"""Captions of clip-art scenes: what a captioner sees of a scene, what it writes, and samples chosen by it."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import seq2scene
from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.models.reranking import rerank, text_given_scene
from seq2scene.reports.captioning.true_statements import TrueStatements, true_statements
from seq2scene.reports.report import ScoredSet
from seq2scene.running.commands.generation import generate
from seq2scene.scenes.facts import things_of
from seq2scene.scenes.scene_json import to_plain
from seq2scene.search.minimum_bayes_risk import MinimumBayesRisk
from seq2scene.search.stepwise import Greedy
from seq2scene.sequences.caption_batch import CaptionBatch, Layouts
from seq2scene.tasks.captioning import Caption, Captioning
from seq2scene.tasks.loading import build_task
from small_captioner import save
from test_configs import compose_plain

pytestmark = pytest.mark.slow

SMALL = ["task=scene_captioning", "data=abstract_scene_captions", "data.min_count=1", "search=greedy"]
SMALL += ["model.annotations.size=8", "model.annotations.output_size=8", "model.decoder.hidden_size=8"]
SMALL += ["model.decoder.embedding_size=8", "search.max_extra=9", "data.max_objects=15"]


@pytest.fixture(scope="module")
def made(park_scenes: Path) -> tuple[Captioning, object]:
    config = compose_plain(park_scenes, *SMALL, f"data.root={park_scenes}", f"data.cache={park_scenes}/cache")
    data = build(config["data"], "data")
    data.prepare_data()
    data.setup()
    torch.manual_seed(0)
    return build_task(config, data.description()).eval(), data


def test_texts_are_whole_and_every_part_learns(made) -> None:
    task, data = made
    batch = next(iter(data.train_dataloader()))
    loss = task.train().loss(batch)
    loss.total.backward()
    task.eval()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in task.parameters())
    texts = data.references("val")
    assert all(len(two) == 2 and two[0].count(".") == 3 for two in texts)


def test_the_captioner_sees_how_objects_stand_and_relates_them_in_any_order(made) -> None:
    task, data = made
    net = task.model.annotations
    given = data.images_of("val", torch.arange(4).numpy())["layouts"]
    seen, mask = net(given), given.mask
    order = torch.arange(mask.shape[1]).flip(0)
    turned = {name: values[:, order] for name, values in given.attributes.items()}
    torch.testing.assert_close(
        net(Layouts(given.classes[:, order], given.boxes[:, order], turned)), seen[:, order]
    )
    for name, values in given.attributes.items():
        other = {**given.attributes, name: values.clone()}
        other[name][0, 0] = 1 - other[name][0, 0].clamp(max=1)
        changed = (net(Layouts(given.classes, given.boxes, other)) != seen).any(2)
        assert changed[0][mask[0]].all() and not changed[1:].any()  # all objects of that scene, as they look
    nothing = Layouts(torch.zeros(1, 2, dtype=torch.int64), torch.zeros(1, 2, 4))
    assert (net(nothing) == 0).all()


def test_a_scene_is_described_as_in_a_batch_and_a_bad_one_is_refused(made) -> None:
    task, data = made
    captioner, batch = task.model, next(iter(data.val_dataloader()))
    scenes = to_plain(data.objects("val")[batch.rows], data.schema)
    found = captioner.describe(scenes)
    tokens = task.caption(batch).tokens[:, 0]
    assert [one.text for one in found] == [task.language.decode(row) for row in tokens]
    assert captioner.describe(scenes[0]).text == found[0].text
    with pytest.raises(UserError, match=r"scene 2, object 1: .*class"):
        captioner.describe([scenes[0], [{"class": "zebra"}]])


def test_what_references_state_is_true_and_what_those_of_other_scenes_state_often_is_not(
    made, capsys
) -> None:
    task, data = made
    references = data.references("test")
    outputs = [Caption(row, texts[0].lower(), -1.0) for row, texts in enumerate(references)]
    test = ScoredSet(task=task, data=data, device=task.device, name="test", outputs=outputs)
    report = TrueStatements()
    report.check(task)
    report.score(test)
    people = test.scores["human_line"]
    assert test.scores["statements_true"] == people["statements_true"] == people["sentences_understood"] == 1
    assert 0 < test.scores["objects_mentioned"] < 1
    assert test.scores["another_image"]["statements_true"] < 0.9
    report.show({"test": test.scores})
    assert "statements that are true: 1.000 (people 1.000, shuffled 0." in capsys.readouterr().out
    (things,) = things_of(data.objects("test")[:1], data.schema)
    assert "a_1" not in things
    found = true_statements([("The cat is purring at Mike. The cat is next to the pizza.", things)])
    assert found == {"statements_true": 0.0, "sentences_understood": 0.5, "objects_mentioned": 0.0}


def test_of_other_clip_art_than_the_parks_nothing_is_claimed(made, capsys) -> None:
    task, data = made
    other = SimpleNamespace(schema=replace(data.schema, types=(1,) * len(data.schema.names)))
    test = ScoredSet(task=other, data=data, device=task.device, name="test")
    TrueStatements().score(test)
    TrueStatements().show({"test": test.scores})
    assert not test.scores and not capsys.readouterr().out


# Reranking


def test_the_sample_is_kept_given_which_the_text_is_likeliest(made, tmp_path) -> None:
    task, _ = made
    path, texts = (
        save(task, tmp_path / "captioner.ckpt"),
        ["Mike is happy. A dog is near the tent.", "Jenny runs."],
    )
    limits = {"num_samples": 4, "max_ratio": 0.0, "max_extra": 5}
    writer = seq2scene.load("park-scene", search=MinimumBayesRisk(**limits, n_best=4))
    batch = writer.read(texts)
    rerank(writer, str(path))
    torch.manual_seed(0)
    every = writer.decode(batch).objects
    plain = to_plain(every, writer.schema)
    merits = text_given_scene(writer, task.model)(batch, every, 4)
    assert merits.shape == (2, 4) and (merits.diff(dim=1) <= 0).all() and (merits[:, 0] > merits[:, 3]).all()
    alone = CaptionBatch(
        None,
        task.language.batch(["jenny runs."], eos=True),
        torch.arange(1),
        layouts=task.model.read_scenes(plain[4:5]).layouts,
    )
    torch.testing.assert_close(merits[1, 0], task.log_probs(alone).sum(), rtol=1e-4, atol=1e-4)
    writer.search = Greedy()
    with pytest.raises(UserError, match=r"rerank=.*: it chooses among the samples of search=mbr"):
        rerank(writer, str(path))


def test_generate_describes_a_scene(made, composed, tmp_path) -> None:
    task, data = made
    path, out = save(task, tmp_path / "captioner.ckpt"), tmp_path / "out.txt"
    scenes = to_plain(data.objects("val")[:2], data.schema)
    (tmp_path / "scene.json").write_text(json.dumps({"objects": scenes[1]}))
    options = [f"ckpt={path}", f"scene={tmp_path}/scene.json", f"out={out}", "device=cpu"]
    generate(composed("generate", *options))
    assert out.read_text() == task.model.describe(scenes[1]).text + "\n"
    with pytest.raises(UserError, match="text: a scene is described without it"):
        generate(composed("generate", *options, "text=Mike"))
