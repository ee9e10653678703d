"""A head that is dropped is dropped everywhere: with any of them gone a net learns and writes the others, and
what it is shown while it is taught is what it could say.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from seq2scene.building import build
from seq2scene.data.scenes.scene_module import SceneModule
from seq2scene.scenes.objects import FIRST_CLASS, Objects
from seq2scene.scenes.scene_json import from_plain, to_plain
from seq2scene.scenes.schema import Schema
from seq2scene.tasks.loading import build_task
from test_configs import compose_plain

pytestmark = pytest.mark.slow

TINY = ["debug=tiny_scenes", "trainer=cpu", "data.batch_size=4", "search.min_length=3"]
PHOTOS = ["data.min_count=1", "data.max_objects=9"]
DATA = {
    "abstract": ["data=abstract_scenes"],
    "layout": ["data=coco_layout", "data.min_area=0.002", *PHOTOS],
    "composite": [
        *("data=coco_composite", "data.photos=.", "data.side=32", "data.min_thing=0.001", *PHOTOS),
        *("heads.size.classes=17", "retrieval.whole={things: 0, stuff: 0}"),
    ],
}
PICTURE = ["canvas=resnet50", "canvas.weights=none", "canvas.side=32", "canvas.trunk=resnet18"]
PLANES = ["canvas=class_planes", "canvas.side=16", "canvas.widths=[4,8]"]
COLOURS = ["canvas=colour_planes_mini", "canvas.side=32", "canvas.widths=[4,4,8]", "data.photo_side=32"]
CASES = {
    "abstract scenes": ["experiment=text2scene/park"],
    "abstract scenes, a picture": ["experiment=text2scene/park", *PICTURE],
    "abstract scenes on another grid": ["experiment=text2scene/park", "grid=32x32"],
    "layouts": ["task=layout", "model=text2scene_mini"],
    "layouts, class planes": ["task=layout", "model=text2scene_mini", *PLANES],
    "layouts on another grid": ["task=layout", "model=text2scene_mini", "grid=32x32"],
    "composites": ["task=composite", "model=text2scene_mini", *COLOURS],
    "composites, class planes": ["task=composite", "model=text2scene_mini", *PLANES],
    "composites, drawn": ["task=composite", "model=text2scene_mini", "canvas=semantic"],
    "composites on another grid": ["task=composite", "model=text2scene_mini", "grid=28x28", *COLOURS],
}


@pytest.fixture(scope="module")
def roots(park_scenes: Path, park_photos: Path) -> dict[str, Path]:
    return {"abstract": park_scenes, "layout": park_photos, "composite": park_photos}


def composed(roots: dict[str, Path], *overrides: str) -> dict[str, Any]:
    task = overrides[0].removeprefix("task=").replace("experiment=text2scene/park", "abstract")
    places = [f"data.root={roots[task]}", f"paths.cache={roots[task].parent / 'cache'}"]
    return compose_plain(roots[task], *TINY, overrides[0], *DATA[task], *places, *overrides[1:])


def fewer(heads: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What is left when all are dropped, or one: each two of them together, apart, and both gone."""
    yield {}
    for dropped in heads:
        yield {name: head for name, head in heads.items() if name != dropped}


def ready(config: dict[str, Any], heads: dict[str, Any]) -> SceneModule:
    data = build({**config["data"], "heads": heads}, "data")
    data.setup()
    return data


@pytest.mark.parametrize("case", CASES)
def test_whatever_is_dropped_the_others_are_taught_written_and_scored(roots, case: str) -> None:
    config = composed(roots, *CASES[case])
    for heads in fewer(config["data"]["heads"]):
        data, learnt = ready(config, heads), heads.keys() - {"appearance"}
        task = build_task({**config, "heads": heads}, data.description())
        batch = next(iter(data.train_dataloader()))
        loss = task.train().loss(batch).total
        loss.backward()
        assert loss.isfinite()
        assert batch.target.attributes.keys() == learnt
        extents = task.schema.boxes(batch.target)[..., 2:][batch.target.present]
        torch.testing.assert_close(extents, expected(batch.target, task.schema), atol=1e-4, rtol=0)
        assert_sayable(batch.target, task.schema)

        task.eval().build_retrieval_index()
        batch = next(iter(data.test_dataloader()[0]))
        written = task.write(batch.texts).objects
        assert written.attributes.keys() == learnt and written.present.sum(1).min() >= 3
        scores = task.scores["test_scores"].each(written, batch.truth)
        assert scores.keys() & {"size", "flip", "pose", "expression", "aspect"} == learnt
        assert set(task.scores["test_scores"].row) <= scores.keys()


def expected(taught: Objects, schema: Schema) -> Tensor:
    """(objects, 2) extents: of clip art of the first pose and expression, near; of boxes square, and half as
    wide as the canvas; but for what is learnt.
    """
    classes, said = taught.classes[taught.present], taught.attributes
    said = {name: values[taught.present] for name, values in said.items()}
    if schema.sizes is not None:
        zero = torch.zeros_like(classes)
        pose, expression, size = (said.get(name, zero) for name in ("pose", "expression", "size"))
        scale = torch.tensor(schema.scales)[size]
        return schema.sizes[classes - FIRST_CLASS, pose, expression] * scale.unsqueeze(1)
    side = 0.001 + said["size"] * 0.998 / 16 if "size" in said else torch.full(classes.shape, 0.5)
    ratios = torch.tensor([*(1 / n for n in range(9, 0, -1)), *range(2, 10)])
    ratio = ratios[said["aspect"]] if "aspect" in said else torch.ones(classes.shape)
    return torch.stack([side * ratio.sqrt(), side / ratio.sqrt()], dim=1).clamp(max=1)


def assert_sayable(taught: Objects, schema: Schema) -> None:
    """What is taught has the boxes of what would be read back had the net said it."""
    said = from_plain(to_plain(taught, schema), schema)
    boxes = schema.boxes(taught)[:, : said.classes.shape[1]]
    torch.testing.assert_close(schema.boxes(said), boxes, atol=0.01, rtol=0)
