import math
from dataclasses import replace

import pytest
import torch

from rank_processes import in_ranks
from seq2scene.metrics.scene_scores import SceneScores, scene_scores
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Head, Schema

KINDS = {"s_": 8, "a_": 6, "e_": 7, "hb": 2, "p_": 10, "c_": 10, "t_": 15}
NAMES = tuple(f"{kind}{number}" for kind, count in KINDS.items() for number in range(count))
CHILDREN = ("hb0", "hb1")
HEADS = {
    "size": Head(3),
    "flip": Head(2),
    "pose": Head(7, only=CHILDREN),
    "expression": Head(5, only=CHILDREN),
}
GRID = Grid(28, 28, 1, 1, 499, 399)

# Two real scenes, and the width and height of their pictures. Each object: name, x, y, size, flip, pose,
# expression.
SCENE_8000 = [
    ("s_2", 201, 68, 1, 0, 0, 0),
    ("t_13", 341, 126, 2, 0, 0, 0),
    ("hb1", 69, 231, 1, 0, 3, 2),
    ("hb0", 366, 235, 0, 1, 4, 0),
    ("t_1", 294, 294, 0, 0, 0, 0),
    ("t_11", 443, 289, 0, 0, 0, 0),
]
SCENE_8001 = [
    ("s_3", 471, 46, 0, 1, 0, 0),
    ("s_2", 376, 41, 0, 0, 0, 0),
    ("p_0", 248, 227, 0, 0, 0, 0),
    ("hb0", 116, 328, 0, 0, 6, 3),
    ("hb1", 284, 311, 0, 1, 5, 1),
    ("t_13", 400, 208, 0, 0, 0, 0),
    ("t_11", 178, 293, 0, 0, 0, 0),
]
SIZES = {
    ("s_2", 0, 0): (167, 98),
    ("s_3", 0, 0): (147, 146),
    ("t_13", 0, 0): (307, 260),
    ("t_1", 0, 0): (42, 69),
    ("t_11", 0, 0): (30, 57),
    ("p_0", 0, 0): (94, 105),
    ("hb0", 4, 0): (156, 148),
    ("hb0", 6, 3): (119, 200),
    ("hb1", 3, 2): (116, 191),
    ("hb1", 5, 1): (168, 146),
}
NOTHING = dict.fromkeys(
    ("u_precision", "u_recall", "u_f3", "u_coord", "b_precision", "b_recall", "b_f3", "b_coord", *HEADS), 0
)


def schema_of(sizes: torch.Tensor, heads: dict[str, Head] = HEADS) -> Schema:
    return Schema(NAMES, GRID, heads, 9, 3, (500.0, 400.0), sizes, (1.0, 0.7, 0.49))


def published() -> Schema:
    sizes = torch.zeros(len(NAMES), 7, 5, 2)
    for (name, pose, expression), size in SIZES.items():
        sizes[NAMES.index(name), pose, expression] = torch.tensor(size, dtype=torch.float32)
    return schema_of(sizes)


def objects(*scenes: list[tuple], heads: tuple[str, ...] = tuple(HEADS)) -> Objects:
    """Scenes of rows (name, x, y, size, flip, pose, expression) as tensors."""
    widest = max(map(len, scenes))
    rows = torch.zeros(len(scenes), widest, 7)
    for scene, listed in zip(rows, scenes, strict=True):
        for row, (name, *numbers) in zip(scene, listed, strict=False):
            row[:] = torch.tensor([3 + NAMES.index(name), *numbers])
    attributes = dict(
        zip(("size", "flip", "pose", "expression"), rows[..., 3:].long().unbind(2), strict=True)
    )
    return Objects(rows[..., 0].long(), rows[..., 1:3], {head: attributes[head] for head in heads})


def on_grid(scenes: Objects, schema: Schema) -> Objects:
    """Scenes as a model can output them: nine objects, at points of the grid."""
    ended = schema.with_end(scenes)
    return replace(ended, places=GRID.point(schema.cells(ended)) * ended.present.unsqueeze(2))


def score(prediction: list[tuple], truth: list[tuple], schema: Schema | None = None) -> dict[str, float]:
    scores = scene_scores(objects(prediction), objects(truth), schema or published())
    return {name: values.item() for name, values in scores.items()}


def random_scenes(seed: int, count: int = 24) -> tuple[list[list[tuple]], list[list[tuple]], Schema]:
    """Predicted and true scenes of 0 to 8 objects of few classes, so that many repeat, match and overlap."""
    random = torch.Generator().manual_seed(seed)
    few = ("s_0", "hb0", "hb1", "t_3", "p_1")

    def number(below: int) -> int:
        return int(torch.randint(below, (), generator=random))

    def scene() -> list[tuple]:
        rows = []
        for _ in range(number(9)):
            name = few[number(5)]
            x, y = (torch.rand(2, generator=random) * torch.tensor([600.0, 500.0]) - 50).tolist()
            look = (number(7), number(5)) if name in CHILDREN else (0, 0)
            rows.append((name, x, y, number(3), number(2), *look))
        return rows

    sizes = 20 + 200 * torch.rand(len(NAMES), 7, 5, 2, generator=random)
    return [scene() for _ in range(count)], [scene() for _ in range(count)], schema_of(sizes)


def slow_scores(prediction: list[tuple], truth: list[tuple], sizes: torch.Tensor) -> dict[str, float]:
    """The same scores of one scene in plain loops, from the same description."""

    def unigrams(scene):
        return sorted(scene, key=lambda o: (NAMES.index(o[0]), 5 * o[5] + o[6], o[1], o[2]))

    def span(o):
        width, height = (sizes[NAMES.index(o[0]), o[5], o[6]] * (1.0, 0.7, 0.49)[o[3]]).tolist()
        return o[1] - width / 2, o[1] + width / 2, o[2] - height / 2, o[2] + height / 2

    def bigrams(scene):
        found = []
        for place, one in enumerate(scene):
            for other in scene[place + 1 :]:
                a, b = span(one), span(other)
                if min(a[1], b[1]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[2], b[2]):
                    dx, dy = (one[1] - other[1]) / 500, (one[2] - other[2]) / 400
                    angle = (math.atan2(dy, dx) + math.pi) / (2 * math.pi)
                    found.append(((one[0], other[0]), math.sqrt(dx * dx + dy * dy + 1e-10), angle))
        return found

    def kernel(a, b):
        return math.exp(-0.5 * ((a / 0.2) ** 2 + (b / 0.2) ** 2))

    def like_unigrams(a, b):
        return kernel((a[1] - b[1]) / 500, (a[2] - b[2]) / 400)

    def like_bigrams(a, b):
        return kernel(a[1] - b[1], min(abs(a[2] - b[2]), 1 - abs(a[2] - b[2])))

    def matches(predicted, true, like):
        free, found = list(true), []
        for item in predicted:
            rivals = [other for other in free if other[0] == item[0]]
            if rivals:
                best = max(rivals, key=lambda other: like(item, other))
                free.remove(best)
                found.append((item, best))
        return found

    def shares(prefix, predicted, true, found, like):
        precision = len(found) / len(predicted) if predicted else 0
        recall = len(found) / len(true) if true else 0
        return {
            f"{prefix}_precision": precision,
            f"{prefix}_recall": recall,
            f"{prefix}_f3": 10 * precision * recall / (recall + 9 * precision) if found else 0,
            f"{prefix}_coord": sum(like(*pair) for pair in found) / len(found) if found else 0,
        }

    predicted, true = unigrams(prediction), unigrams(truth)
    found = matches(predicted, true, like_unigrams)
    scores = shares("u", predicted, true, found, like_unigrams)
    for head, field in (("size", 3), ("flip", 4), ("pose", 5), ("expression", 6)):
        about = [pair for pair in found if field < 5 or pair[0][0] in CHILDREN]
        scores[head] = sum(a[field] == b[field] for a, b in about) / max(len(about), 1)
    predicted_pairs, true_pairs = bigrams(predicted), bigrams(true)
    found = matches(predicted_pairs, true_pairs, like_bigrams)
    scores |= shares("b", predicted_pairs, true_pairs, found, like_bigrams)
    if predicted and not true_pairs:
        scores["b_recall"] = -1
    return scores


def test_a_real_pair_of_scenes_scores_what_is_known_of_it():
    schema = published()
    scores = scene_scores(on_grid(objects(SCENE_8001), schema), objects(SCENE_8000), schema)
    known = {
        "u_precision": 0.71429,
        "u_recall": 0.83333,
        "b_precision": 0.11111,
        "b_recall": 0.33333,
        "pose": 0,
        "expression": 0,
        "size": 0.4,
        "flip": 0.6,
        "u_coord": 0.16739,
        "b_coord": 0.62941,
    }
    assert {name: scores[name].item() for name in known} == pytest.approx(known, abs=2e-5)


@pytest.mark.parametrize("seed", range(12))
def test_scores_are_those_of_plain_loops(seed):
    predictions, truths, schema = random_scenes(seed)
    scores = scene_scores(objects(*predictions), objects(*truths), schema)
    assert all(values.dtype == torch.float32 for values in scores.values())
    for index, (prediction, truth) in enumerate(zip(predictions, truths, strict=True)):
        expected = slow_scores(prediction, truth, schema.sizes)
        assert {name: values[index].item() for name, values in scores.items()} == pytest.approx(
            expected, abs=1e-5
        )


def test_a_batch_scores_as_its_scenes_alone():
    predictions, truths, schema = random_scenes(100)
    together = scene_scores(objects(*predictions), objects(*truths), schema)
    for index, pair in enumerate(zip(predictions, truths, strict=True)):
        alone = score(*pair, schema)
        assert alone == pytest.approx({name: values[index].item() for name, values in together.items()})


def test_what_lies_behind_the_end_of_a_scene_is_never_scored():
    predictions, truths, schema = random_scenes(101)
    predicted, true = objects(*predictions), objects(*truths)
    expected = scene_scores(predicted, true, schema)

    def junk(scenes: Objects) -> Objects:
        ended = replace(schema, max_objects=14).with_end(scenes)
        places = torch.where(ended.present.unsqueeze(2), ended.places, 77.0)
        attributes = {name: values.where(ended.present, 1) for name, values in ended.attributes.items()}
        return replace(ended, places=places, attributes=attributes)

    padded = scene_scores(junk(predicted), junk(true), schema)
    for name, values in expected.items():
        torch.testing.assert_close(padded[name], values, msg=name)


def test_the_order_in_which_objects_are_placed_does_not_matter():
    predictions, truths, schema = random_scenes(102)
    expected = scene_scores(objects(*predictions), objects(*truths), schema)
    turned = scene_scores(
        objects(*(scene[::-1] for scene in predictions)),
        objects(*(scene[3:] + scene[:3] for scene in truths)),
        schema,
    )
    for name, values in expected.items():
        torch.testing.assert_close(turned[name], values, msg=name)


def test_objects_of_one_class_ask_in_the_order_of_their_looks_then_places():
    # Both predicted ones are nearest to the true one on the left: the lower pose is matched first
    truth = [("hb0", 100, 200, 0, 0, 1, 0), ("hb0", 480, 200, 0, 0, 2, 0)]
    early = [("hb0", 120, 200, 0, 0, 1, 0), ("hb0", 110, 200, 0, 0, 2, 0)]
    assert score(early, truth)["pose"] == 1
    late = [("hb0", 110, 200, 0, 0, 2, 0), ("hb0", 120, 200, 0, 0, 3, 0)]
    assert score(late, truth)["pose"] == 0  # pose 2 has taken the true pose 1
    equals = [("hb0", 130, 200, 1, 0, 1, 0), ("hb0", 90, 200, 0, 0, 1, 0)]
    assert score(equals, truth)["size"] == 0.5  # of equal appearance, the one further left is matched first
    below = [("hb0", 90, 210, 1, 0, 1, 0), ("hb0", 90, 205, 0, 0, 1, 0)]
    assert score(below, [truth[0]])["size"] == 1  # then the upper one


def test_a_scene_scores_one_against_itself():
    assert score(SCENE_8000, SCENE_8000) == pytest.approx(dict.fromkeys(NOTHING, 1))


def test_no_prediction_scores_nothing_and_counts_with_bigrams_in_the_truth_or_without():
    assert score([], SCENE_8000) == NOTHING
    assert score([], SCENE_8000[:1]) == NOTHING


def test_a_prediction_without_a_match_scores_nothing():
    assert score(SCENE_8001[:1], SCENE_8000) == NOTHING


def test_a_truth_without_bigrams_is_flagged():
    overlapping = [("t_13", 300, 200, 0, 0, 0, 0), ("t_11", 300, 200, 0, 0, 0, 0)]
    apart = [("t_13", 160, 200, 0, 0, 0, 0), ("t_11", 480, 200, 0, 0, 0, 0)]
    flagged = {"b_precision": 0, "b_recall": -1, "b_f3": 0, "b_coord": 0}
    for prediction in (overlapping, apart):
        scores = score(prediction, apart)
        assert {name: scores[name] for name in flagged} == flagged
        assert scores["u_recall"] == 1


def test_a_truth_whose_bigrams_were_all_missed_is_not_flagged():
    assert score(SCENE_8000[:1], SCENE_8000)["b_recall"] == 0


def test_poses_are_of_matched_children_alone_and_none_scores_zero():
    scores = score(SCENE_8000[:2], SCENE_8000)
    assert (scores["pose"], scores["expression"]) == (0, 0)
    assert (scores["size"], scores["flip"]) == (1, 1)
    other_look = [("s_2", 201, 68, 1, 0, 0, 0), ("hb1", 69, 231, 1, 0, 3, 0)]
    scores = score(other_look, SCENE_8000)
    assert (scores["pose"], scores["expression"]) == (1, 0)


def test_recall_weighs_nine_times_in_f3():
    scores = score([*SCENE_8000, *SCENE_8001[:1]], SCENE_8000)
    assert scores["u_f3"] == pytest.approx(10 * (6 / 7) / (1 + 9 * 6 / 7))


def test_means_of_bigrams_are_over_scenes_that_have_some():
    schema = published()
    metric = SceneScores(schema)
    truth = objects(SCENE_8000, SCENE_8000[:1], SCENE_8000[:1])
    metric.update(objects(SCENE_8000, SCENE_8000[:1], []), truth)
    scores = {name: value.item() for name, value in metric.compute().items()}
    assert scores["u_recall"] == pytest.approx(2 / 3)
    assert scores["pose"] == pytest.approx(1 / 3)
    assert scores["b_coord"] == pytest.approx(1 / 3)  # over all three
    for name in ("b_precision", "b_recall", "b_f3", "b_coord_masked"):
        assert scores[name] == pytest.approx(1 / 2), name  # not over the second: its truth has none


def test_means_do_not_depend_on_how_scenes_are_batched():
    predictions, truths, schema = random_scenes(103)
    whole, parts = SceneScores(schema), SceneScores(schema)
    whole.update(objects(*predictions), objects(*truths))
    for part in (slice(0, 1), slice(1, 9), slice(9, 9), slice(9, 24)):
        predicted, true = objects(*predictions)[part], objects(*truths)[part]
        parts.update(predicted, true)
    assert {name: value.item() for name, value in parts.compute().items()} == pytest.approx(
        {name: value.item() for name, value in whole.compute().items()}
    )


def test_heads_that_a_model_lacks_are_not_scored_and_not_needed():
    full = published()
    some = {"size": HEADS["size"], "pose": HEADS["pose"]}
    schema = schema_of(full.sizes, some)
    metric = SceneScores(schema)
    prediction = objects(SCENE_8000, heads=("size", "pose"))
    metric.update(prediction, objects(SCENE_8000))
    scores = metric.compute()
    assert {name for name in scores if name in HEADS} == some.keys()
    assert all(scores[name] == 1 for name in ("u_recall", "size", "pose"))
    without = SceneScores(schema_of(full.sizes, {}))
    without.update(objects(SCENE_8000, heads=()), objects(SCENE_8000))
    assert not without.compute().keys() & HEADS.keys()


def test_nothing_counted_is_no_number():
    metric = SceneScores(published())
    nothing = objects([])[:0]
    metric.update(nothing, nothing)
    assert all(math.isnan(value) for value in metric.compute().values())


SHARES = [slice(0, 5), slice(5, 24)]


def means_of(share: slice) -> dict[str, float]:
    predictions, truths, schema = random_scenes(104)
    metric = SceneScores(schema)
    metric.update(objects(*predictions)[share], objects(*truths)[share])
    return {name: value.item() for name, value in metric.compute().items()}


def means_of_rank(rank: int) -> dict[str, float]:
    return means_of(SHARES[rank])


@pytest.mark.slow
def test_two_ranks_with_unequal_shares_compute_what_one_does():
    assert in_ranks(means_of_rank) == [pytest.approx(means_of(slice(0, 24)))] * 2
