"""Untrained models of the park as checkpoints, for tests of the page."""

from pathlib import Path

import torch

from seq2scene.building import build
from seq2scene.tasks.loading import build_task
from test_configs import compose_plain

TINY = ["model=relational", "debug=tiny_relational", "search.min_length=4", "trainer=cpu"]
SIZES = {"train": 300, "val": 4, "test": 4}  # enough for every class to be there
KINDS = {
    "scene": ["task=abstract", "data=park_scenes", *(f"data.park.{key}={n}" for key, n in SIZES.items())],
    "layout": ["task=layout", "data=coco_layout", "data.min_count=1"],
    "composite": [
        *("task=composite", "data=coco_composite", "data.photos=.", "data.min_thing=0.001", "data.side=32"),
        *("data.min_count=1", "patch_encoder.hidden=8"),
    ],
}


def write_checkpoints(folder: Path, roots: dict[str, Path]) -> list[str]:
    """Checkpoints of models far enough from zero for texts and objects to matter. roots: of their data, by
    kind; the scenes are generated there.
    """
    found = []
    for kind, root in roots.items():
        data_at = [f"data.root={root}", f"data.cache={folder}/cache"]
        config = compose_plain(folder, *KINDS[kind], *TINY, *data_at)
        data = build(config["data"], "data")
        data.prepare_data()
        data.setup()
        description = data.description()
        torch.manual_seed(0)
        model = build_task(config, description).model
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        weights = {f"model.{name}": value for name, value in model.state_dict().items()}
        path = folder / kind / "best.ckpt"
        path.parent.mkdir()
        parts = {"config": config, "description": description}
        torch.save({"hyper_parameters": parts, "state_dict": weights}, path)
        found.append(str(path))
    return found
