"""Captions of scenes, layouts and composites, scored against those that people gave the true scene or photo,
as Hong et al. 2018 and Tan et al. 2019 evaluate layouts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seq2scene.compositing.compositor import Compositor
from seq2scene.compositing.inpainting import photos_of
from seq2scene.errors import UserError
from seq2scene.json_text import to_json
from seq2scene.models.inpainter import Inpainter
from seq2scene.models.loading import load_beside, require_same_classes
from seq2scene.reports.captioning.captions import another, caption_scores, human_scores
from seq2scene.reports.distributed import gather, samples
from seq2scene.reports.report import Report, ScoredSet
from seq2scene.reports.scene.inpainted import inpainter_for
from seq2scene.reports.tables import Row, print_table
from seq2scene.scenes.layouts import layouts_of
from seq2scene.scenes.objects import Objects
from seq2scene.sequences.caption_batch import CaptionBatch
from seq2scene.tasks.captioning import CAPTION_COLUMNS, Captioning
from seq2scene.tasks.composites import CompositeTask
from seq2scene.tasks.loading import task_of
from seq2scene.tasks.scenes import Result, SceneTask
from seq2scene.tasks.task import Task

CHUNK = 64  # scenes that are captioned together
CAPTIONS = "captions_"  # begins the keys of these scores in metrics.json
Told = dict[int, str]  # captions by the numbers of their samples


class CaptionedScenes(Report):
    """Adds the scores of a captioner's captions of the scenes (``score_captions``) and writes the captions,
    NAME.captions.jsonl, a sample per line.

    captioner: a checkpoint or run of task=layout_captioning, for clip-art scenes of task=scene_captioning,
    for composites of task=captioning. inpainter: one of task=inpainting; what it makes of composites is
    captioned too.
    """

    name = "captioned_scenes"

    def __init__(self, captioner: str, inpainter: str | None = None) -> None:
        self.captioner, self.inpainter = captioner, inpainter
        self._nets: tuple[Captioning, Inpainter | None] | None = None
        self._lines: list[dict[str, Any]] = []

    def check(self, task: Task) -> None:
        self._nets = load_captioner(self.captioner, task), inpainter_for(task, self.inpainter)

    def score(self, test: ScoredSet) -> None:
        assert self._nets is not None, "check comes first"
        captioner, inpainter = self._nets
        inpainter = None if inpainter is None else inpainter.to(test.device)
        teller = Teller(captioner.to(test.device), test.task, test.data, test.name, inpainter)
        scores, self._lines = score_captions(teller, test.outputs, test.rank, test.world)
        test.scores.update(scores)

    def write(self, test: ScoredSet, folder: Path) -> None:
        text = "".join(to_json(line, ensure_ascii=False) + "\n" for line in self._lines)
        (folder / f"{test.name}.captions.jsonl").write_text(text, encoding="utf-8")

    def show(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        print_table("captions", CAPTION_COLUMNS, _rows(results))


def _rows(results: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """The scores of each kind of captions on each test set."""
    for name, scores in results.items():
        for key in (key for key in scores if key.startswith(CAPTIONS)):
            kind = key.removeprefix(CAPTIONS)
            yield f"{name}, {'people' if kind == 'human_line' else kind}", scores[key]


def load_captioner(path: str | Path, task: Task) -> Captioning:
    """The captioner of a checkpoint, or of a run's best one, for the scenes of ``task``: one of clip-art
    scenes or of layouts, or one of photos for composites.

    Raises:
        UserError: the task writes no scenes, there is no such checkpoint, or it is of another task or of
            other classes.
    """
    if not isinstance(task, SceneTask):
        raise UserError(f"captioner: task={task.config['task']['name']} makes no scenes; leave it out")
    kind = "layout_captioning" if task.schema.sizes is None else "scene_captioning"
    if isinstance(task, CompositeTask):
        kind = "captioning"
    captioner = task_of(load_beside("captioner", path, kind))
    assert isinstance(captioner, Captioning)
    if captioner.schema is not None:
        require_same_classes(captioner.schema.names, task.schema.names, f"captioner={path}")
    return captioner


@dataclass(frozen=True)
class Teller:
    """A captioner, and the scenes of a split that it describes. inpainter: what it makes of composites is
    described too.
    """

    captioner: Captioning
    task: SceneTask
    data: Any
    split: str
    inpainter: Inpainter | None = None

    def layouts(self, objects: Objects) -> dict[str, Any]:
        assert self.captioner.schema is not None, "a captioner of layouts"
        most = self.captioner.schema.max_objects
        return {"images": None, "layouts": layouts_of(objects, self.task.schema, most)}

    def composites(self, objects: Objects, compositor: Compositor) -> dict[str, Any]:
        """Black where nothing is."""
        return {"images": compositor.render(objects, self.side, self.captioner.device).pictures}

    def inpainted(self, objects: Objects, compositor: Compositor) -> dict[str, Any]:
        assert self.inpainter is not None
        made = photos_of(self.inpainter, objects, compositor, self.side)
        return {"images": torch.stack(list(made))}

    def photos(self, rows: Sequence[int], compositor: Compositor) -> dict[str, Any]:
        """Photos as composites lie on their canvas."""
        black, ids = torch.zeros(3, self.side, self.side), self.data.scene_ids(self.split)
        numbers = np.searchsorted(compositor.store.image_ids, [ids[row] for row in rows])
        pictures = [compositor.photo(n, self.side, black) for n in numbers]
        return {"images": torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)}

    @property
    def side(self) -> int:
        return self.captioner.model.photo_encoder().size

    def written(self, found: Sequence[Result], rows: Sequence[int]) -> dict[str, Told]:
        """Captions of the samples ``rows`` as they were written."""
        told: dict[str, Told] = {}
        compositor = self.task.compositor()
        for numbers, objects in samples(found, rows, CHUNK):
            if compositor is None:
                shown = {"generated": self.layouts(objects)}
            else:
                shown = {"generated": self.composites(objects, compositor)}
                if self.inpainter is not None:
                    shown["inpainted"] = self.inpainted(objects, compositor)
            self._tell(told, numbers, shown)
        return told

    def true(self, rows: Sequence[int]) -> dict[str, Told]:
        """Captions of the true scenes of the samples ``rows``."""
        told: dict[str, Told] = {}
        compositor = self.data.compositor(self.split)
        truth = self.data.truth(self.split)
        for first in range(0, len(rows), CHUNK):
            some = rows[first : first + CHUNK]
            objects = truth[torch.tensor(some)]
            if compositor is None:
                shown = {"true": self.layouts(objects)}
            else:
                shown = {"true": self.composites(objects, compositor), "photo": self.photos(some, compositor)}
            self._tell(told, some, shown)
        return told

    def _tell(self, told: dict[str, Told], rows: Sequence[int], shown: dict[str, dict[str, Any]]) -> None:
        for kind, images in shown.items():
            target = self.captioner.language.batch([""] * len(rows), eos=True)
            batch = CaptionBatch(**images, target=target, rows=torch.tensor(rows))
            tokens = self.captioner.caption(batch.to(self.captioner.device)).tokens[:, 0].cpu()
            texts = [self.captioner.language.decode(row) for row in tokens]
            told.setdefault(kind, {}).update(zip(rows, texts, strict=True))


@torch.no_grad()
def score_captions(
    teller: Teller, found: Sequence[Result], rank: int = 0, world: int = 1
) -> tuple[dict[str, dict[str, float]], list[dict[str, Any]]]:
    """Scores captions of scenes against all captions of each sample's photo; also a plain row per sample.

    Scored are captions of the scenes that were ``found`` (``generated``, ``inpainted``), of the ``true`` ones
    and of the ``photo``; beside them people (``human_line``), and captions of the photo of another sample, or
    of its true scene where the captioner sees no photo (``shuffled``; missing where there is only one). All
    are over samples, but for people over photos.

    Names of scores begin with ``CAPTIONS``. Each of ``world`` ranks calls this with the same ``found`` and
    captions a share; all of them get all scores and rows.
    """
    ids, split = teller.data.scene_ids(teller.split), teller.split
    rows = sorted({row for result in found for row in result.rows.tolist()})
    first: dict[int, int] = {}  # of each scene, a sample that stands for it
    for row in rows:
        first.setdefault(ids[row], row)
    scenes = list(first.values())
    told: dict[str, Told] = {}
    shares = (teller.written(found, rows[rank::world]), teller.true(scenes[rank::world]))
    for part in gather(list(shares), world):
        for kind, texts in part.items():
            told.setdefault(kind, {}).update(texts)
    for kind in told.keys() & {"true", "photo"}:
        told[kind] = {row: told[kind][first[ids[row]]] for row in rows}
    shuffled: dict[str, Told] = {}
    if len(scenes) > 1:
        kind = "photo" if "photo" in told else "true"
        other = {scenes[at]: told[kind][scenes[of]] for at, of in enumerate(another(len(scenes)))}
        shuffled = {"shuffled": {row: other[first[ids[row]]] for row in rows}}
    captions = references_by_scene(teller.data, split)
    references = [captions[ids[row]] for row in rows]
    scores = {
        CAPTIONS + kind: caption_scores(teller.captioner, [texts[row] for row in rows], references)
        for kind, texts in (told | shuffled).items()
    }
    scores[CAPTIONS + "human_line"] = human_scores(teller.captioner, [captions[scene] for scene in first])
    lines = [
        {"sample": row, "scene": int(ids[row]), **{kind: texts[row] for kind, texts in told.items()}}
        | {"references": list(captions[ids[row]])}
        for row in rows
    ]
    return scores, lines


def references_by_scene(data: Any, split: str) -> dict[int, tuple[str, ...]]:
    """All texts of each scene, by its number, each on one line."""
    found: dict[int, list[str]] = {}
    for number, sentences in zip(data.scene_ids(split), data.texts(split), strict=True):
        found.setdefault(number, []).append(" ".join(" ".join(sentences).split()))
    return {number: tuple(texts) for number, texts in found.items()}
