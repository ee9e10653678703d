"""The scene task: what its loss is made of, what it writes by every search, what its choices change."""

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from rank_processes import in_ranks
from seq2scene.building import build
from seq2scene.data.scenes.abstract_scenes import AbstractScenes
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.nets.losses.scene_losses import doubly_stochastic, fields
from seq2scene.running.processes.trainers import filter_warnings, make_trainer
from seq2scene.scenes.batch import SceneBatch
from seq2scene.scenes.objects import PAD, Objects
from seq2scene.sequences.batch import Sentences
from seq2scene.tasks.loading import build_task, task_of
from seq2scene.tasks.scenes import SceneTask, share_of_mean
from test_configs import CONF, compose_plain

SCORES = ("dot", "general", "concat", "concat_luong", "none")
ATTENTIONS = [*((score, score) for score in SCORES), ("general", "none"), ("none", "general")]
HEADS = ("size", "flip", "pose", "expression")
BLIND = ("score.3.bias", "look.2.bias")  # a softmax does not see what is added to all of its scores


@pytest.fixture(scope="module")
def read(park_scenes: Path):
    """What ``compose`` makes of a choice: the config and the data it describes, each made once."""

    @cache
    def make(*overrides: str) -> tuple[dict[str, Any], AbstractScenes]:
        small = [
            "experiment=text2scene/park",
            "debug=tiny_scenes",
            "data=abstract_scenes",
            f"data.root={park_scenes}",
        ]
        small += ["data.batch_size=6", "trainer=cpu", "trainer.enable_progress_bar=false"]
        small += ["model.encoder.dropout=0", "model.decoder.dropout=0"]
        config = compose_plain(park_scenes, *small, *overrides)
        data = build(config["data"], "data")
        data.prepare_data()
        data.setup()
        return config, data

    return make


@pytest.fixture(scope="module")
def made(read):
    """A task and a batch of its training data. Options of groups that the data does not read come as
    ``changes`` of the plain config, which saves composing it anew.
    """

    def make(*overrides: str, **changes: Any) -> tuple[SceneTask, SceneBatch]:
        config, data = read(*overrides)
        torch.manual_seed(1)
        task = build_task({**config, **changes}, data.description())
        return task, next(iter(data.train_dataloader()))

    return make


def option(group: str, name: str) -> dict[str, Any]:
    """An option of a group with the blocks that it shares with others."""
    own = OmegaConf.to_container(OmegaConf.load(CONF / group / f"{name}.yaml"))
    shared = [one.partition("@")[0] for one in own.pop("defaults", []) if one != "_self_"]
    return {k: v for one in shared for k, v in OmegaConf.load(f"{CONF}{one}.yaml").items()} | own


def without_gradient(task: SceneTask) -> set[str]:
    """The parameters that a backward pass has not reached."""
    return {
        name
        for name, p in task.named_parameters()
        if p.requires_grad and (p.grad is None or not p.grad.any()) and not name.endswith(BLIND)
    }


def found_by(task: SceneTask, batch: SceneBatch) -> dict[str, tuple[float, int]]:
    """Of each field its sum of -log p and its count."""
    taught = task.model(batch.texts, batch.target)
    return {
        name: (field.nll.item(), int(field.count))
        for name, field in fields(taught, batch.target, task.schema).items()
    }


def scene_alone(batch: SceneBatch, row: int) -> SceneBatch:
    each = len(batch.texts) // len(batch)
    mine = slice(each * row, each * (row + 1))
    texts = Sentences.of(batch.texts.ids[mine], batch.texts.lengths[mine])
    return SceneBatch(texts, batch.target[row : row + 1], batch.rows[row : row + 1])


# The loss


@pytest.mark.parametrize(("attention", "attribute_attention"), ATTENTIONS)
def test_gradients_reach_everything_whatever_looks_at_the_words(made, attention, attribute_attention) -> None:
    task, batch = made(
        attention=option("attention", attention),
        attribute_attention=option("attention", attribute_attention),
    )
    task.train().loss(batch).total.backward()
    assert without_gradient(task) == set()
    decoder = task.model.decoder
    assert (decoder.object_decoder.attention is None) is (attention == "none")
    assert (decoder.attribute_decoder.attention is None) is (attribute_attention == "none")


def test_the_loss_is_the_weighted_sum_of_its_fields(made) -> None:
    task, batch = made()
    task.eval()
    loss, found = task.loss(batch), found_by(task, batch)
    weights = {"object": 5.0, "place": 2.0, **dict.fromkeys(HEADS, 2.0)}
    assert found.keys() == weights.keys()
    assert loss.total.item() == pytest.approx(
        sum(w * found[name][0] for name, w in weights.items()), rel=1e-5
    )
    assert loss.nll.item() == pytest.approx(sum(nll for nll, _ in found.values()), rel=1e-5)
    assert loss.count.item() == loss.normaliser.item() == sum(count for _, count in found.values())


def test_divided_by_fields_or_by_scenes(made) -> None:
    """As the authors' code, or as the sums of the paper: the same total, another step."""
    per_field, batch = made()
    config = dict(per_field.config["loss"])
    per_scene, _ = made(loss={**config, "per": "scene"})
    ours, theirs = per_field.eval().loss(batch), per_scene.eval().loss(batch)
    assert ours.total == theirs.total and ours.count == theirs.count
    assert theirs.normaliser == len(batch) == 6 < ours.normaliser
    with pytest.raises(UserError, match=r"loss\.per=word .*field, scene"):
        made(loss={**config, "per": "word"})


def test_a_batch_costs_what_its_scenes_cost_alone(made) -> None:
    task, batch = made()
    task.eval()
    whole = task.loss(batch)
    alone = [task.loss(scene_alone(batch, row)) for row in range(len(batch))]
    for part in ("total", "nll", "count", "normaliser"):
        torch.testing.assert_close(
            getattr(whole, part), sum(getattr(loss, part) for loss in alone), rtol=1e-5, atol=1e-3
        )


def test_a_weight_is_told_on_the_command_line(made) -> None:
    plain, batch = made()
    heavy, _ = made("heads.flip.weight=7", "loss.object=0")
    ours, theirs = plain.eval().loss(batch), heavy.eval().loss(batch)
    found = found_by(plain, batch)
    assert ours.nll == theirs.nll
    expected = ours.total.item() + (7 - 2) * found["flip"][0] - 5 * found["object"][0]
    assert theirs.total.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("given", "left"),
    [(["~heads.pose"], ("size", "flip", "expression")), ([f"~heads.{name}" for name in HEADS], ())],
    ids=["pose", "all"],
)
def test_a_dropped_head_is_neither_learnt_nor_written_nor_scored(made, given, left) -> None:
    task, batch = made(*given)
    task.loss(batch).total.backward()
    assert without_gradient(task) == set()
    assert tuple(task.schema.heads) == left == tuple(found_by(task, batch))[2:]
    written = task.eval().write(batch.texts).objects
    assert tuple(written.attributes) == left
    scores = task.scores["val_scores"]
    scores.update(written, batch.target)
    assert set(HEADS) & scores.compute().keys() == set(left)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("+heads.colour={classes: 4}", r"heads\.colour: this data has no .* size, flip, pose, expression"),
        ("heads.pose.classes=6", r"heads\.pose\.classes=6: this data has 7"),
        ("heads.size.classes=17", r"heads\.size\.classes=17: this data has 3"),
    ],
    ids=["colour", "pose", "size"],
)
def test_attributes_that_the_data_has_not_are_refused_by_name(read, given: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(given)


def test_a_finer_grid_has_more_places_and_a_stride_must_divide_it(made, read) -> None:
    task, batch = made("grid=32x32")
    taught = task.model(batch.texts, batch.target)
    assert task.model.decoder.size == (8, 8)  # of the state, at stride 4
    assert taught.places.shape[1] == 32 * 32
    task.loss(batch).total.backward()
    assert without_gradient(task) == set()
    with pytest.raises(UserError, match=r"model\.decoder\.stride=4 does not divide grid=30x28"):
        made("grid.columns=30")


def regulariser(task: SceneTask, batch: SceneBatch, name: str) -> tuple[float, float]:
    """The mean over scenes of eq. 14 of Xu et al. (2015), and the least it can be: T looks that are shared
    out equally over W words leave (W - T)^2 / W.
    """
    memory = task.model.encode(batch.texts)
    taught = task.model.decoder(memory, batch.target)
    steps = batch.target.present if name == "attribute_attention" else batch.target.classes != PAD
    looks, words = steps.sum(1), memory.mask.sum(1)
    least = ((words - looks) ** 2 / words).mean()
    return doubly_stochastic(getattr(taught, name), steps, memory.mask).mean().item(), least.item()


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["object", "attribute"])
def test_the_wish_to_look_at_each_word_once_comes_true_when_it_is_all_that_counts(made, decoder) -> None:
    """From an attention that stares at a few words, as far as it can: the one of the other decoder is left
    alone.
    """
    nothing = dict.fromkeys(("object", "place", "object_attention", "attribute_attention"), 0.0)
    weightless = [f"heads.{head}.weight=0" for head in HEADS]
    task, batch = made(*weightless, loss={**nothing, f"{decoder}_attention": 1.0, "per": "scene"})
    task.eval()
    attention = getattr(task.model.decoder, f"{decoder}_decoder").attention
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter, std=3.0)
    before, least = regulariser(task, batch, f"{decoder}_attention")
    assert task.loss(batch).total.item() == pytest.approx(before * len(batch), rel=1e-4)
    optimizer = torch.optim.Adam(attention.parameters(), lr=0.3)
    for _ in range(20):
        optimizer.zero_grad()
        loss = task.loss(batch)
        (loss.total / loss.normaliser).backward()
        optimizer.step()
    after, _ = regulariser(task, batch, f"{decoder}_attention")
    assert least < after < least + 0.5 * (before - least)


# Writing


def search(name: str, **settings: Any) -> dict[str, Any]:
    return {**option("search", name), "max_ratio": 0.0, "max_extra": 9, **settings}


SEARCHES = {
    "greedy": search("greedy"),
    "beam": search("beam", size=3, n_best=3, normalisation="none"),
    "sample": search("sample", num_samples=2, temperature=2.0),
}


@pytest.mark.parametrize(("name", "copies"), [("greedy", 1), ("beam", 3), ("sample", 2)])
def test_every_search_writes_scenes_of_objects_on_the_grid(made, name: str, copies: int) -> None:
    task, batch = made(search=SEARCHES[name])
    written = task.eval().write(batch.texts)
    objects, schema = written.objects, task.schema
    assert written.log_probs.shape == (6, copies) and len(objects) == 6 * copies
    assert (written.log_probs < 0).all()
    assert (written.log_probs.diff(dim=1) <= 0).all() or name != "beam"
    assert objects.present.any() and (objects.present.sum(1) <= schema.max_objects).all()
    on_grid = schema.grid.point(schema.grid.cell(objects.places))
    torch.testing.assert_close(objects.places[objects.present], on_grid[objects.present])
    for head, values in objects.attributes.items():
        assert (values >= 0).all() and (values < schema.heads[head].classes).all()
        assert not values[~schema.has(head)[objects.classes]].any()
    rows = batch.texts.mask.sum(1).view(6, -1).sum(1).repeat_interleave(copies)
    looked = written.object_attention[objects.present]
    torch.testing.assert_close(looked.sum(1), torch.ones(len(looked)))
    beyond = torch.arange(written.object_attention.shape[2]) >= rows.view(-1, 1, 1)
    assert not written.object_attention.masked_select(beyond.expand_as(written.object_attention)).any()


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_reports_the_likelihood_that_teacher_forcing_gives(made, name: str) -> None:
    """Of the objects; where and how an object stands is not part of it."""
    task, batch = made(search=SEARCHES[name])
    written = task.eval().write(batch.texts)
    copies = written.log_probs.shape[1]
    each = len(batch.texts) // len(batch)
    rows = torch.arange(len(batch.texts)).view(-1, each).repeat_interleave(copies, dim=0).flatten()
    texts = Sentences.of(batch.texts.ids[rows], batch.texts.lengths[rows])
    taught = task.model(texts, written.objects)
    classes = written.objects.classes
    log_probs = torch.zeros(classes.shape)
    log_probs[classes != PAD] = (
        taught.objects.log_softmax(1).gather(1, classes[classes != PAD].unsqueeze(1)).squeeze(1)
    )
    torch.testing.assert_close(log_probs.sum(1), written.log_probs.flatten(), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", SEARCHES)
def test_no_scene_has_more_objects_than_the_model_was_taught(made, name: str) -> None:
    """Even by a search as it stands in conf/search, whose limits are meant for sentences: generation and
    evaluation may be told search=beam.
    """
    plain = option("search", name)
    assert plain["max_extra"] > 9 and plain["max_length"] > 9
    task, batch = made(search={**plain, "min_length": 9})
    assert (task.eval().write(batch.texts).objects.present.sum(1) == task.schema.max_objects).all()


def assert_same_objects(ours: Objects, theirs: Objects) -> None:
    assert torch.equal(ours.classes, theirs.classes) and torch.equal(ours.places, theirs.places)
    assert all(torch.equal(values, theirs.attributes[name]) for name, values in ours.attributes.items())


PICTURE_CANVAS = {
    **option("canvas", "resnet50"),
    "trunk": "squeezenet1_1",
    "layer": "features.3",
    "weights": "none",
    "side": 64,
}


@pytest.mark.slow
@pytest.mark.parametrize("canvas", ["semantic", "picture"])
def test_a_checkpoint_alone_writes_the_same_scene(made, tmp_path: Path, canvas: str) -> None:
    """Tensors and plain containers, the clip art among them; no file of the data is opened."""
    changes = {"canvas": PICTURE_CANVAS} if canvas == "picture" else {}
    task, batch = made(**changes)
    with torch.no_grad():  # as if it had come from somewhere
        for parameter in task.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    path = tmp_path / "model.ckpt"
    torch.save({"state_dict": task.state_dict(), "hyper_parameters": dict(task.hparams)}, path)
    again = task_of(load_checkpoint(path))
    ours, theirs = task.eval().write(batch.texts), again.write(batch.texts)
    assert_same_objects(ours.objects, theirs.objects)
    assert torch.equal(ours.log_probs, theirs.log_probs) and torch.equal(
        ours.object_attention, theirs.object_attention
    )


def test_a_text_without_words_gives_an_empty_scene_and_changes_no_other(made) -> None:
    task, batch = made()
    each = len(batch.texts) // len(batch)
    lengths = batch.texts.lengths.clone()
    lengths[:each] = 0
    ids = batch.texts.ids.masked_fill(torch.arange(batch.texts.ids.shape[1]) >= lengths.unsqueeze(1), 0)
    whole, one_empty = (
        task.eval().write(texts).objects for texts in (batch.texts, Sentences.of(ids, lengths))
    )
    assert not one_empty.present[0].any()
    assert_same_objects(whole[1:], one_empty[1:])
    nothing = task.write(Sentences.of(ids[:each, :1], lengths[:each]))
    assert not nothing.objects.present.any() and nothing.object_attention is None


# Validation


@pytest.fixture(scope="module")
def validated(read, made, tmp_path_factory) -> tuple[dict[str, float], SceneTask, AbstractScenes]:
    """What is logged of the four scenes of the validation set, each told twice, by an untrained task."""
    config, data = read()
    settings = {**config["trainer"], "limit_val_batches": 1.0, "float32_matmul": "highest"}
    filter_warnings()
    trainer = make_trainer(
        {**settings, "enable_model_summary": False},
        callbacks=[],
        logger=False,
        enable_checkpointing=False,
        default_root_dir=tmp_path_factory.mktemp("validation"),
    )
    task, _ = made()
    trainer.validate(task, data.val_dataloader(), verbose=False)
    return {name: value.item() for name, value in trainer.callback_metrics.items()}, task, data


def test_validation_logs_these_names_and_no_others(validated) -> None:
    """Scores of objects and of pairs, a likelihood of each field, an accuracy of each head, how many of the
    facts stated hold.
    """
    values, task, _ = validated
    grams = {f"{kind}_{what}" for kind in "ub" for what in ("precision", "recall", "f3", "coord")}
    likelihoods = {f"nll_{name}" for name in ("object", "place", *HEADS)}
    kinds = ("thing", "colour", "size", "mood", "pose", "relation", "all", "text")
    faithful = {f"faithfulness_{kind}" for kind in (*kinds, "duplicates")}
    faithful |= {f"faithfulness_{kind}_strict" for kind in ("relation", "all", "text")}
    expected = grams | likelihoods | faithful | {*HEADS, "b_coord_masked", "loss", "score"}
    assert values.keys() == {f"val/{name}" for name in expected}
    row = ("u_precision", "u_recall", "b_precision", "b_recall", "pose", "expression", "u_coord")
    assert values["val/score"] == pytest.approx(sum(values[f"val/{name}"] for name in row) / 7, abs=1e-6)
    assert task.config["monitor"]["metric"] in values
    assert {f"val/{name}" for name in (*task.curves, *task.shown)} <= values.keys()


def test_validation_is_a_sum_over_a_count_of_all_samples(validated) -> None:
    values, task, data = validated
    batches = list(data.val_dataloader())
    assert sum(len(batch) for batch in batches) == 8
    nll, count = Counter(), Counter()
    with torch.no_grad():
        for batch in batches:
            for name, (each, fields_of_it) in found_by(task.eval(), batch).items():
                nll[name] += each
                count[name] += fields_of_it
    for name in nll:
        assert values[f"val/nll_{name}"] == pytest.approx(nll[name] / count[name], rel=1e-4)
    assert values["val/loss"] == pytest.approx(sum(nll.values()) / sum(count.values()), rel=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": None}, r"heads=null: choose an option; one of its heads is dropped with '~heads\.NAME'"),
        ({"loss": {"object": -1.0}}, r"loss\.object=-1\.0 must be a number of 0 or more"),
        ({"loss": {"place": "much"}}, r"loss\.place=much must be a number of 0 or more"),
        ({"loss": {"object_attention": float("nan")}}, r"loss\.object_attention=nan must be a number"),
    ],
)
def test_weights_without_a_meaning_are_refused_by_name(read, change, message) -> None:
    config, data = read()
    merged = {**config, **{key: value and {**config[key], **value} for key, value in change.items()}}
    with pytest.raises(UserError, match=message):
        build_task(merged, data.description())


VALUES, NORMALISERS = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0]), torch.tensor([30, 10])
PARTS = (slice(0, 1), slice(1, 5))  # unequal, and not as the normalisers are


def share_in_a_rank(rank: int) -> float:
    values = VALUES[PARTS[rank]]
    return share_of_mean(values.mean(), torch.tensor(len(values)), NORMALISERS[rank]).item()


@pytest.mark.slow
def test_a_mean_over_two_ranks_is_that_of_one_process() -> None:
    assert sum(in_ranks(share_in_a_rank)) / NORMALISERS.sum() == pytest.approx(VALUES.mean())
    alone = share_of_mean(VALUES.mean(), torch.tensor(5), NORMALISERS.sum())
    assert torch.equal(alone, VALUES.mean() * NORMALISERS.sum())
