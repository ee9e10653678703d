"""FID and Inception Score by torchmetrics' own metrics, over features that can be counted by hand."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rank_processes import in_ranks
from seq2scene.errors import UserError
from seq2scene.reports.distributed import samples
from seq2scene.reports.scene.realism import MODULE, Realism, compare, load_inception
from seq2scene.scenes.objects import Objects
from seq2scene.tasks.scenes import Result


class Tiny(nn.Module):
    """Features: the mean of each colour, in 255ths; logits: ten times the colours' shares."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        assert pictures.dtype == torch.uint8
        means = pictures.float().mean((2, 3)) / 255
        return means, self.scale * means


def pictures(count: int, shift: float, seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    colours = 60 + shift + 60 * torch.rand(count, 3, 1, 1, generator=generator)
    return list(colours.expand(-1, -1, 4, 4))


def frechet(real: np.ndarray, made: np.ndarray) -> float:
    """||m - m'||^2 + tr(C + C' - 2 (C C')^1/2)."""
    covariances = [np.cov(one, rowvar=False) for one in (real, made)]
    apart = real.mean(0) - made.mean(0)
    roots = np.sqrt(np.linalg.eigvals(covariances[0] @ covariances[1]).real.clip(0)).sum()
    return apart @ apart + sum(map(np.trace, covariances)) - 2 * roots


def means(some: list[Tensor]) -> np.ndarray:
    return Tiny()(torch.stack(some).round().to(torch.uint8))[0].double().numpy()


def test_the_distance_is_that_of_two_gaussians_and_counts_each_kind_alone() -> None:
    photos, near, far = pictures(70, 0, 0), pictures(40, 5, 1), pictures(50, 60, 2)
    scores = compare(Tiny(), photos, {"near": near, "far": far})
    for kind, made in (("near", near), ("far", far)):
        assert scores[kind]["fid"] == pytest.approx(frechet(means(photos), means(made)), rel=1e-3, abs=1e-5)
    assert scores["far"]["fid"] > 10 * scores["near"]["fid"]
    assert compare(Tiny(), photos, {"far": far})["far"] == scores["far"]
    assert compare(Tiny(), photos, {"same": photos})["same"]["fid"] == pytest.approx(0, abs=1e-5)


def test_pictures_that_are_sure_and_differ_score_higher_than_all_alike() -> None:
    primary = [255.0 * torch.eye(3)[n % 3].view(3, 1, 1).expand(3, 4, 4) for n in range(60)]
    grey = [torch.full((3, 4, 4), 100.0)] * 60
    scores = compare(Tiny(), primary, {"primary": primary, "grey": grey})
    assert scores["grey"]["inception_score"] == pytest.approx(1)
    assert 2.5 < scores["primary"]["inception_score"] <= 3


def test_chance_neither_changes_scores_nor_is_changed_by_them() -> None:
    made = pictures(33, 20, 3)
    torch.manual_seed(1)
    first = compare(Tiny(), pictures(20, 0, 0), {"": made})
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), drawn)
    assert compare(Tiny(), pictures(20, 0, 0), {"": made}) == first


def scores_of_rank(rank: int) -> dict[str, dict[str, float]]:
    return compare(Tiny(), pictures(21, 0, 0)[rank::2], {"a": pictures(43, 9, 1)[rank::2]})


@pytest.mark.slow
def test_two_ranks_with_unequal_shares_compute_what_one_does() -> None:
    alone = compare(Tiny(), pictures(21, 0, 0), {"a": pictures(43, 9, 1)})["a"]
    for one in in_ranks(scores_of_rank):  # the score's parts are dealt in another order
        assert one["a"]["fid"] == pytest.approx(alone["fid"], rel=1e-4)
        assert one["a"]["inception_score"] == pytest.approx(alone["inception_score"], rel=0.05)


def test_each_sample_is_looked_at_once_whoever_has_it() -> None:
    def result(*rows: int) -> Result:
        classes = torch.tensor([[row + 3] for row in rows])
        objects = Objects(classes, torch.zeros(len(rows), 1, 2), {})
        return Result(torch.tensor(rows), objects, torch.zeros(len(rows)), {})

    found = [result(0, 2, 4), result(1, 3, 0), result(4)]
    shares = [list(samples(found, rows, 2)) for rows in ([0, 2, 4], [1, 3])]
    assert [[numbers for numbers, _ in share] for share in shares] == [[[0, 2], [4]], [[1, 3]]]
    for numbers, scenes in (part for share in shares for part in share):
        assert scenes.classes.flatten().tolist() == [number + 3 for number in numbers]


def test_scores_are_told_of_the_sets_that_have_some(capsys) -> None:
    both = {"fid": 12.345, "inception_score": 2.0, "inpainted": {"fid": 1.0, "inception_score": 3.456}}
    Realism("weights").show({"test": both, "other": {"u_recall": 0.5}})
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["test: FID 12.35, IS 2.00", "test, inpainted: FID 1.00, IS 3.46"]


# What is refused


def test_a_missing_package_is_named(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, MODULE, None)
    with pytest.raises(UserError, match=r"realism: needs the package torch-fidelity .*\.\[realism\]"):
        load_inception(tmp_path / "weights.pth")


@pytest.mark.skipif(importlib.util.find_spec("torch_fidelity") is None, reason="needs the extra realism")
def test_weights_that_are_missing_or_others_are_refused_with_where_to_get_them(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with pytest.raises(UserError, match=r"weights\.pth: there is no such file; fetch it from https://github"):
        load_inception(path)
    torch.save({"layer.weight": torch.zeros(2)}, path)
    with pytest.raises(UserError, match="does not hold the weights of Inception"):
        load_inception(path)
    torch.save(nn.Linear(1, 1), path)
    with pytest.raises(UserError, match="does not hold the weights of Inception"):
        load_inception(path)
    path.write_bytes(b"no weights")
    with pytest.raises(UserError, match="damaged"):
        load_inception(path)


@pytest.mark.skipif(importlib.util.find_spec("torch_fidelity") is None, reason="needs the extra realism")
def test_inception_gives_features_and_logits(tmp_path: Path, monkeypatch) -> None:
    module = importlib.import_module(MODULE)
    with monkeypatch.context() as patched:  # an Inception of chance, whose weights become the file
        patched.setattr(module, "load_state_dict_from_url", lambda *_, **__: {})
        patched.setattr(nn.Module, "load_state_dict", lambda *_, **__: None)
        chance = module.FeatureExtractorInceptionV3("any", ["2048"])
    torch.save(chance.state_dict(), tmp_path / "weights.pth")
    inception = load_inception(tmp_path / "weights.pth")
    features, logits = inception(torch.randint(0, 256, (2, 3, 299, 299), dtype=torch.uint8))
    assert features.shape == (2, 2048) and logits.shape == (2, 1008)
