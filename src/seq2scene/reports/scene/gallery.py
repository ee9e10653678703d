"""A gallery of a test set: generated scenes beside the true ones, each with its steps and its scores."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seq2scene.compositing.compositor import as_pixels, empty_canvas
from seq2scene.compositing.inpainting import photos_of
from seq2scene.models.inpainter import Inpainter
from seq2scene.models.scene_pictures import scene_steps
from seq2scene.models.scene_records import read_records
from seq2scene.models.scene_strips import strip_of
from seq2scene.models.scene_writer import HEIGHT
from seq2scene.plotting.figures import save_picture
from seq2scene.plotting.gallery import Item, write_gallery
from seq2scene.plotting.scene_strip import Step, draw_strip
from seq2scene.reports.report import Report, ScoredSet, attempt
from seq2scene.reports.scene.inpainted import inpainter_for
from seq2scene.reports.scene.scene_drawing import true_pictures
from seq2scene.reports.scene.scenes import scene_rows
from seq2scene.scenes.facts import FAIR, check, in_words
from seq2scene.tasks.scenes import SceneTask
from seq2scene.tasks.task import Task


class Gallery(Report):
    """NAME.gallery/index.html, a page of ``count`` scenes, spread evenly from the best to the worst.

    inpainter: a checkpoint of task=inpainting, or the folder of a run; the page also shows the inpainted
    composites.
    """

    name = "gallery"
    tasks = (SceneTask,)
    files = (("*.gallery/index.html", "scenes beside the true ones, a page to open"),)

    def __init__(self, count: int = 20, inpainter: str | None = None) -> None:
        self.count, self.inpainter = count, inpainter
        self._net: Inpainter | None = None

    def check(self, task: Task) -> None:
        super().check(task)
        self._net = inpainter_for(task, self.inpainter)

    def write(self, test: ScoredSet, folder: Path) -> None:
        if not self.count:
            return
        if self._net is not None:
            self._net.to(test.device)
        with attempt(f"{folder / test.name}.gallery"):
            draw_gallery(test.task, test.data, test.name, scene_rows(test), folder, self.count, self._net)


@torch.no_grad()
def draw_gallery(
    task: SceneTask,
    data: Any,
    name: str,
    rows: list[dict[str, Any]],
    folder: Path,
    count: int,
    inpainter: Inpainter | None = None,
) -> Path:
    """Writes ``folder/NAME.gallery/index.html`` with ``count`` scenes, spread evenly from the best to the
    worst, and ``sheet.png`` of them all. Beside composites stand both the true photo and the patches that it
    was cut into; below each scene the facts that its text states, where the data says what they are.

    rows: see ``scenes.scene_rows``. inpainter: each composite is also shown inpainted by it.
    """
    place = folder / f"{name}.gallery"
    texts = task.model.texts
    merit = [mean_score(row["scores"], task.scores["test_scores"].row) for row in rows]
    order = np.argsort(np.nan_to_num(merit, nan=-np.inf), kind="stable")[::-1]
    spread = order[np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)].tolist()
    chosen = [rows[number] for number in spread]
    names = [f"sample {row['sample']}" for row in chosen]
    scored = read_records([row["objects"] for row in chosen], names, task.schema, task.model.store)
    ended = task.schema.with_end(replace(scored, extents=None))
    # The same objects again, for the attention that chose them: a sampler would write others.
    written = task.write(
        texts.batch([row["sentences"] for row in chosen]).to(task.device), given=ended.to(task.device)
    )
    compositor = task.compositor()
    copies = written.log_probs.shape[1]
    first = written.objects[torch.arange(len(chosen), device=task.device) * copies]
    photos = None
    if inpainter is not None and compositor is not None:
        photos = photos_of(inpainter, first, compositor, HEIGHT, empty_canvas(HEIGHT))
    stated = data.facts(name)
    items, sheet = [], []
    for number, row in enumerate(chosen):
        at, sample, sentences = number * copies, row["sample"], row["sentences"]
        true = true_pictures(task, data, name, sample)
        objects = first[number : number + 1].to("cpu")
        made = {"generated": scene_steps(task.model, objects, compositor=compositor)[-1]}
        if photos is not None:
            made["inpainted"] = as_pixels(next(photos))
        shown = {}
        for kind, picture in {**made, **true}.items():
            shown[kind] = f"{sample:04d}.{kind}.png"
            save_picture(place / shown[kind], picture)
        real = true.get("photo", true["true"])
        gap = np.full_like(real[:, :12], 255)
        beside = [part for picture in made.values() for part in (picture, gap)]
        sheet.append(Step(np.concatenate([*beside, real], axis=1), " ".join(sentences)))
        strip = f"{sample:04d}.strip.png"
        save_picture(
            place / strip,
            strip_of(task.model, written, at, task.model.words(sentences), real, compositor=compositor),
        )
        scores = {"mean": merit[spread[number]], **row["scores"]}
        facts = stated[sample] if stated else ()
        said = [in_words(fact, task.schema) for fact in facts]
        checked = zip(said, check(facts, objects, task.schema), strict=True)
        items.append(Item(" ".join(sentences), shown, scores, strip, list(checked)))
    kinds = "Each pair: as the model wrote it, and"
    if inpainter is not None:
        kinds = "Each row of three: as the model pasted it, what the inpainter made of that, and"
    heading = f"{kinds} the true scene; from the best to the worst."
    save_picture(place / "sheet.png", draw_strip(sheet, columns=2, heading=heading))
    note = (
        f"{len(chosen)} of {len(rows)} samples, evenly from the best to the worst; a click shows the steps."
    )
    if stated:
        note += f" ✓ a fact that the text states holds, ✗ it does not; relations within {FAIR:g} pixels."
    write_gallery(place / "index.html", f"{task.config['name']}: {name}", items, "mean", note)
    return place / "index.html"


def mean_score(scores: dict[str, float], names: Sequence[str]) -> float:
    """The mean of those scores ``names`` of a scene that are defined; NaN where none is."""
    counted = [scores[name] for name in names if not np.isnan(scores[name])]
    return float(np.mean(counted)) if counted else float("nan")
