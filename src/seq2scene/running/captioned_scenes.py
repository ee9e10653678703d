"""Layouts and composites told by a captioner: what it says of them is scored against what people said of the
photo (Hong et al. 2018; Tan et al. 2019, who held layouts against captions so).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table

from seq2scene.compositing.compositor import Compositor
from seq2scene.compositing.inpainting import photos_of
from seq2scene.errors import UserError
from seq2scene.json_text import to_json
from seq2scene.plotting.gallery import show_score
from seq2scene.running.caption_evaluation import another, caption_scores, human_scores
from seq2scene.running.checkpoints import load_beside, require_same_classes
from seq2scene.running.distributed import gather, samples
from seq2scene.scenes.layouts import layouts_of
from seq2scene.scenes.objects import Objects
from seq2scene.sequences.caption_batch import CaptionBatch
from seq2scene.tasks.captioning import FREE_RUNNING, Captioning
from seq2scene.tasks.composites import CompositeTask
from seq2scene.tasks.inpainting import InpaintingTask
from seq2scene.tasks.scenes import Result, SceneTask
from seq2scene.tasks.task import Task

CHUNK = 64  # scenes that are told together
CAPTIONS = "captions_"  # before each kind of what was told, its key in metrics.json
Told = dict[int, str]  # of samples, by their numbers in the split


def load_captioner(path: str | Path, task: Task) -> Captioning:
    """The captioner of a checkpoint, or of a run's best one, ready to tell the scenes of ``task``: one of
    layouts for layouts, one of photos for composites.

    Raises:
        UserError: the task makes neither; there is no such checkpoint, it is of another task, or it learnt
            other classes.
    """
    if not isinstance(task, SceneTask) or task.schema.sizes is not None:
        raise UserError(
            f"captioner: task={task.config['task']['name']} makes no layouts and no composites; leave it out"
        )
    kind = "captioning" if isinstance(task, CompositeTask) else "layout_captioning"
    captioner = load_beside("captioner", path, kind)
    assert isinstance(captioner, Captioning)
    if captioner.schema is not None:
        require_same_classes(captioner.schema.names, task.schema.names, f"captioner={path}")
    return captioner


@dataclass(frozen=True)
class Teller:
    """A captioner, and what of a split it shall tell. inpainter: of composites also what it makes of them."""

    captioner: Captioning
    task: SceneTask
    data: Any
    split: str
    inpainter: InpaintingTask | None = None

    def layouts(self, objects: Objects) -> dict[str, Any]:
        most = self.captioner.schema.max_objects
        return {"images": None, "layouts": layouts_of(objects, self.task.schema, most)}

    def composites(self, objects: Objects, compositor: Compositor) -> dict[str, Any]:
        """Black where nothing is."""
        return {"images": compositor.render(objects, self.side, self.captioner.device).pictures}

    def inpainted(self, objects: Objects, compositor: Compositor) -> dict[str, Any]:
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
        return self.captioner.net.encoder.size

    def written(self, found: Sequence[Result], rows: Sequence[int]) -> dict[str, Told]:
        """What is told of the samples ``rows`` as they were written."""
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
        """What is told of the samples ``rows`` as they truly are."""
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
    teller: Teller, found: Sequence[Result], folder: Path, rank: int = 0, world: int = 1
) -> dict[str, dict[str, float]]:
    """Caption scores against all captions of each sample's photo: of what is told of the scenes that were
    ``found`` (``generated``, ``inpainted``), and of what is told of the ``true`` scenes and the ``photo``.
    Beside them how people score (``human_line``), and what is told of photos, or of true scenes where nobody
    sees a photo, where each is another's (``shuffled``; missing where there is one alone). All are of
    samples, but people's of photos.

    Names begin with ``CAPTIONS``. Writes ``folder/NAME.captions.jsonl``, a sample a line. world: so many
    processes call this with the same ``found``; each tells a share, and has the scores.
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
    if len(scenes) > 1:
        kind = "photo" if "photo" in told else "true"
        other = {scenes[at]: told[kind][scenes[of]] for at, of in enumerate(another(len(scenes)))}
        told["shuffled"] = {row: other[first[ids[row]]] for row in rows}
    captions = _references(teller.data, split)
    references = [captions[ids[row]] for row in rows]
    scores = {
        CAPTIONS + kind: caption_scores(teller.captioner, [texts[row] for row in rows], references)
        for kind, texts in told.items()
    }
    scores[CAPTIONS + "human_line"] = human_scores(teller.captioner, [captions[scene] for scene in first])
    if rank == 0:
        shown = {kind: texts for kind, texts in told.items() if kind != "shuffled"}
        lines = [
            {"sample": row, "scene": int(ids[row]), **{kind: texts[row] for kind, texts in shown.items()}}
            | {"references": list(captions[ids[row]])}
            for row in rows
        ]
        folder.mkdir(parents=True, exist_ok=True)
        text = "".join(to_json(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / f"{split}.captions.jsonl").write_text(text, encoding="utf-8")
    return scores


def _references(data: Any, split: str) -> dict[int, tuple[str, ...]]:
    """Of each scene, by its number, all texts that tell it, each on one line."""
    found: dict[int, list[str]] = {}
    for number, sentences in zip(data.scene_ids(split), data.texts(split), strict=True):
        found.setdefault(number, []).append(" ".join(" ".join(sentences).split()))
    return {number: tuple(texts) for number, texts in found.items()}


def captions_table(results: dict[str, dict[str, Any]]) -> Table | None:
    """A line for each test set and kind of scenes that were told; None where none were."""
    table = Table("captions", *FREE_RUNNING, box=None, padding=(0, 1, 0, 0))
    for name, scores in results.items():
        for key in (key for key in scores if key.startswith(CAPTIONS)):
            kind, each = key.removeprefix(CAPTIONS), scores[key]
            cells = [show_score(each[score], 3 if score == "cider" else 2) for score in FREE_RUNNING]
            table.add_row(f"{name}, {'people' if kind == 'human_line' else kind}", *cells)
    return table if table.rows else None
