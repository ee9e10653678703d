"""How much composites look like photos: Inception Score (Salimans et al. 2016) and Frechet Inception Distance
(Heusel et al. 2017), by torchmetrics. Fewer pictures make the first lower and the second higher, so that only
scores of equally many pictures can be compared.
"""

import importlib
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore

from seq2scene.arrays import TORN
from seq2scene.compositing.compositor import Compositor
from seq2scene.compositing.inpainting import photos_of
from seq2scene.errors import UserError
from seq2scene.models.inpainter import Inpainter
from seq2scene.reports.distributed import samples
from seq2scene.reports.report import Report, ScoredSet
from seq2scene.reports.scene.inpainted import inpainter_for
from seq2scene.scenes.objects import Objects
from seq2scene.tasks.composites import CompositeTask
from seq2scene.tasks.inpainting import InpaintingTask
from seq2scene.tasks.scenes import Result, SceneTask
from seq2scene.tasks.task import Task

SIDE = 299  # pixels of pictures, as Inception sees them
CHUNK = 32  # pictures in a batch for Inception
FEATURES = ["2048", "logits_unbiased"]  # of torch-fidelity's Inception: for the distance and for the score
MODULE = "torch_fidelity.feature_extractor_inceptionv3"
WEIGHTS = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth"
)
INPAINTED = "inpainted"  # the key in metrics.json of the scores of what an inpainter made of composites


class Realism(Report):
    """Adds ``fid`` and ``inception_score`` of composites; see ``score_realism``.

    weights: a file of torch-fidelity's Inception weights. inpainter: a checkpoint or run of task=inpainting;
    the inpainted composites are scored too.
    """

    name = "realism"
    tasks = (CompositeTask,)

    def __init__(self, weights: str, inpainter: str | None = None) -> None:
        self.weights, self.inpainter = weights, inpainter
        self._nets: tuple[nn.Module, InpaintingTask | None] | None = None

    def check(self, task: Task) -> None:
        super().check(task)
        self._nets = load_inception(self.weights), inpainter_for(task, self.inpainter)

    def score(self, test: ScoredSet) -> None:
        assert self._nets is not None, "check comes first"
        inception, inpainter = self._nets
        inpainter = None if inpainter is None else inpainter.to(test.device)
        ranks = test.rank, test.world
        found = score_realism(
            inception.to(test.device), test.task, test.data, test.name, test.outputs, inpainter, *ranks
        )
        test.scores.update(found)

    def show(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        for name, scores in results.items():
            for kind, found in (("", scores), (f", {INPAINTED}", scores.get(INPAINTED, {}))):
                if "fid" in found:
                    print(f"{name}{kind}: FID {found['fid']:.2f}, IS {found['inception_score']:.2f}")


def load_inception(path: str | Path) -> nn.Module:
    """torch-fidelity's Inception, pictures (N, 3, y, x) uint8 -> features (N, 2048), logits (N, 1008).

    Raises:
        UserError: the package or the file is missing, or the file holds something else.
    """
    try:
        module = importlib.import_module(MODULE)
    except ModuleNotFoundError as error:
        raise UserError(
            f"realism: needs the package torch-fidelity ({error}): pip install -e .[realism]"
        ) from error
    if not Path(path).is_file():
        raise UserError(f"realism={path}: there is no such file; fetch it from {WEIGHTS}")
    try:
        torch.load(path, map_location="cpu", weights_only=True)  # torch-fidelity would execute what it holds
        return module.FeatureExtractorInceptionV3("inception-v3-compat", FEATURES, str(path))
    except (*TORN, OSError) as error:
        raise UserError(
            f"realism={path} is damaged or does not hold the weights of Inception; fetch it from {WEIGHTS}"
        ) from error


@torch.no_grad()
def score_realism(
    extractor: nn.Module,
    task: SceneTask,
    data: Any,
    split: str,
    found: Sequence[Result],
    inpainter: Inpainter | None = None,
    rank: int = 0,
    world: int = 1,
) -> dict[str, Any]:
    """``fid`` and ``inception_score`` of the composites ``found`` for a split, one per sample, against its
    photos; under ``inpainted`` those of the inpainted ones. Pictures are squares of 299 pixels,
    black where nothing was pasted, rendered and scored on the extractor's device.

    Each of ``world`` ranks calls this with the same ``found`` and renders a share; all get the scores.

    Raises:
        UserError: there are fewer than two photos or composites, or fewer than processes.
    """
    device = next(extractor.parameters()).device
    compositor, true = task.compositor(), data.compositor(split)
    assert compositor is not None, "the report is for composites"
    rows = np.unique(np.searchsorted(true.store.image_ids, data.scene_ids(split)))
    written, least = sorted({row for one in found for row in one.rows.tolist()}), max(world, 2)
    if min(len(rows), len(written)) < least:
        raise UserError(
            f"realism: {split} has {len(rows)} photos and {len(written)} composites; they can be compared "
            f"where there are at least {least} of each" + (", one for each process" if world > 1 else "")
        )
    black = torch.zeros(3, SIDE, SIDE)
    photos = (
        torch.from_numpy(true.photo(row, SIDE, black)).permute(2, 0, 1) for row in rows[rank::world].tolist()
    )
    own = written[rank::world]
    scenes = samples(found, own, CHUNK)
    made = {"": _pasted((objects for _, objects in scenes), compositor, device)}
    if inpainter is not None:
        made[INPAINTED] = (
            photo
            for _, objects in samples(found, own, CHUNK)
            for photo in photos_of(inpainter, objects, compositor, SIDE)
        )
    scores = compare(extractor, photos, made)
    return {**scores.pop(""), **scores}


@torch.no_grad()
def compare(
    extractor: nn.Module, photos: Iterable[Tensor], made: Mapping[str, Iterable[Tensor]]
) -> dict[str, dict[str, float]]:
    """For each kind of pictures in ``made``, ``fid`` against the photos and ``inception_score``, the mean
    over ten splits. Pictures are (3, y, x) from 0 to 255, all of one size.

    extractor: (N, 3, y, x) uint8 -> features (N, D), whose distributions are compared, and logits (N, K).
    """
    device = next(extractor.parameters()).device
    distance = None
    for features, _ in _seen(extractor, photos, device):
        if distance is None:
            found = Found(features.shape[1])
            distance = FrechetInceptionDistance(found, reset_real_features=False).to(device)
        distance.update(features, real=True)
    assert distance is not None, "there are photos"
    results = {}
    for kind, pictures in made.items():
        distance.reset()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Metric `InceptionScore` will save all")
            score = InceptionScore(Found(0)).to(device)
        for features, logits in _seen(extractor, pictures, device):
            distance.update(features, real=False)
            score.update(logits)
        with torch.random.fork_rng([device] if device.type == "cuda" else []), warnings.catch_warnings():
            torch.manual_seed(0)  # it deals pictures to its parts by chance
            warnings.filterwarnings("ignore", "std\\(\\): degrees of freedom")  # of one part
            results[kind] = {
                "fid": float(distance.compute()),
                "inception_score": float(score.compute()[0]),
            }
    return results


class Found(nn.Module):
    """Passes precomputed features on to a metric, so that pictures are looked at once for all metrics."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def _seen(
    extractor: nn.Module, pictures: Iterable[Tensor], device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    pictures = iter(pictures)
    while some := list(islice(pictures, CHUNK)):
        batch = torch.stack(some).to(device)
        yield extractor(batch.round().clamp(0, 255).to(torch.uint8) if batch.is_floating_point() else batch)


def _pasted(scenes: Iterable[Objects], compositor: Compositor, device: torch.device) -> Iterator[Tensor]:
    for objects in scenes:
        yield from compositor.render(objects, SIDE, device).pictures
