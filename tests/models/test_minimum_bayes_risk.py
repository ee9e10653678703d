"""Of many sampled scenes, the one most like the others."""

from pathlib import Path

import pytest
import torch

import seq2scene
from seq2scene.errors import UserError
from seq2scene.metrics.scene_scores import SceneScores
from seq2scene.models import expected_scores as scoring
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.models.folders import SHIPPED
from seq2scene.models.loading import require_same_languages
from seq2scene.scenes.objects import Objects
from seq2scene.search.minimum_bayes_risk import MinimumBayesRisk
from seq2scene.search.stepwise import Sample

TEXTS = ["Mike is holding a hotdog.", "Jenny is sad. The dog is next to the tent."]
DRAWN = {"temperature": 1.0, "place_temperature": 1.0, "num_samples": 5, "max_ratio": 0.0, "max_extra": 9}


@pytest.fixture(scope="module")
def model():
    return seq2scene.load("park-scene")


def sampled(model, search):
    torch.manual_seed(3)
    return model.decode(model.read(TEXTS), search)


def expected(model, objects, number, copies):
    """One pair of scenes at a time, by the metric itself."""
    first, scores = number - number % copies, []
    for other in set(range(first, first + copies)) - {number}:
        metric = SceneScores(model.schema)
        metric.update(objects[torch.tensor([number])], objects[torch.tensor([other])])
        found = metric.compute()
        scores.append(torch.stack([found[name].nan_to_num(0) for name in metric.row]).mean())
    return float(torch.stack(scores).mean())


def test_each_sample_is_scored_against_all_others(model, monkeypatch):
    monkeypatch.setattr(scoring, "PAIRS", 7)  # the last part is smaller
    objects = sampled(model, Sample(**DRAWN)).objects
    found = scoring.expected_scores(objects, 5, model.schema)
    assert found.flatten().tolist() == pytest.approx(
        [expected(model, objects, number, 5) for number in range(10)], abs=1e-6
    )


def test_the_scenes_with_the_highest_expected_scores_are_kept_best_first(model):
    every = sampled(model, Sample(**DRAWN))
    ranked = scoring.expected_scores(every.objects, 5, model.schema).argsort(dim=1, descending=True)
    best = sampled(model, MinimumBayesRisk(**DRAWN, n_best=3))
    rows = (torch.tensor([[0], [5]]) + ranked[:, :3]).flatten()
    assert torch.equal(best.objects.places, every.objects.places[rows])
    assert torch.equal(best.object_attention, every.object_attention[rows])
    assert torch.equal(best.log_probs, every.log_probs.gather(1, ranked[:, :3]))


def test_the_most_common_of_three_scenes_wins(model):
    """Two of them alike score 1 against each other, and both score the same against the third."""
    both = sampled(model, Sample(**{**DRAWN, "num_samples": 1})).objects
    found = scoring.expected_scores(both[torch.tensor([1, 0, 0])], 3, model.schema)[0]
    assert found[1] == found[2] > found[0]


def test_an_ensemble_chooses_among_the_samples_of_all_its_members(model):
    drawn, search = Sample(**DRAWN), MinimumBayesRisk(**DRAWN, n_best=2)
    both = seq2scene.load(["park-scene", "park-scene"])
    found = sampled(both, search)
    torch.manual_seed(3)
    each = [model.decode(model.read(TEXTS), drawn) for _ in both.members]
    rows = torch.arange(10).view(2, 5)
    every = torch.cat([rows, rows + 10], 1).flatten()  # the samples of a text adjacent
    longest = max(one.objects.classes.shape[1] for one in each)
    classes, places = (
        torch.cat([padded(getattr(one.objects, name), longest) for one in each])[every]
        for name in ("classes", "places")
    )
    attributes = {
        name: torch.cat([padded(one.objects.attributes[name], longest) for one in each])[every]
        for name in model.schema.heads
    }
    scores = scoring.expected_scores(Objects.of(classes, places, attributes), 10, model.schema)
    best = (torch.tensor([[0], [10]]) + scores.topk(2).indices).flatten()
    assert torch.equal(found.objects.classes, classes[best])
    assert torch.equal(found.objects.places, places[best])
    with pytest.raises(UserError, match=r"write together only with search=mbr"):
        both.write(TEXTS[0], search=drawn)
    with pytest.raises(UserError, match=r"ensemble=probs: scene models are not averaged"):
        seq2scene.load(["park-scene", "park-scene"], ensemble="probs")
    with pytest.raises(UserError, match=r"composites of several models cannot be compared"):
        seq2scene.load(["park-composite", "park-composite"])
    with pytest.raises(UserError, match=r"do not go together: their scenes have other object classes"):
        require_same_languages(*differing("names", ("a",)))


def differing(key: str, value: object) -> list:
    """Two checkpoints, and their paths, whose schemas differ in ``key``."""
    one = load_checkpoint(SHIPPED / "park-scene")
    parts = one["hyper_parameters"]
    described = parts["description"]
    other = {**described, "schema": {**described["schema"], key: value}}
    return [Path("a"), one, Path("b"), {"hyper_parameters": {**parts, "description": other}}]


def padded(values: torch.Tensor, steps: int) -> torch.Tensor:
    return torch.cat([values, values.new_zeros(len(values), steps - values.shape[1], *values.shape[2:])], 1)


def test_it_is_refused_for_words_and_for_a_single_sample():
    with pytest.raises(UserError, match=r"search=mbr: for scenes only; choose greedy, beam or sample"):
        seq2scene.load("park-de-none", search={"_target_": target()}).translate("A dog.")
    with pytest.raises(UserError, match=r"search.num_samples=1: it must be a whole number of at least 2"):
        MinimumBayesRisk(num_samples=1)


def target() -> str:
    return f"{MinimumBayesRisk.__module__}.{MinimumBayesRisk.__qualname__}"
