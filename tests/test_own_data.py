"""Own data of every kind trains, from the files to a gradient."""

from pathlib import Path

import pytest
import torch

from own_files import cvat, write_captions, write_clip_art, write_photos
from seq2scene.building import build
from seq2scene.running.commands.evaluation import data_of
from seq2scene.tasks.loading import build_task
from test_configs import compose_plain

BOXES = ["data.train=instances.json", "data.captions=captions.csv", "debug=tiny_relational"]
KINDS = {
    "photos": [
        *(
            "task=captioning",
            "data=photos",
            "data.train=[captions.csv,images]",
            "image_encoder.trunk=squeezenet1_1",
        ),
        *("image_encoder.layer=features.3", "image_encoder.weights=none", "image_encoder.size=32"),
        *("model.decoder.hidden_size=8", "model.annotations.size=8"),
    ],
    "boxes": ["task=layout", "data=boxes", *BOXES],
    "boxes_captions": ["task=layout_captioning", "data=boxes_captions", *BOXES[:2]],
    "segments": ["task=composite", "data=segments", *BOXES, "data.photos=images", "data.side=32"],
    "clip_art": ["task=abstract", "data=clip_art", "data.train=scenes.csv", "debug=tiny_relational"],
    "clip_art_captions": [
        *("task=scene_captioning", "data=clip_art_captions", "data.train=scenes.jsonl"),
        "model.annotations.attributes=[size,flip,mood]",
    ],
    "plain_text": [
        *("task=lm", "data=plain_text", "data.language=en", "data.train=captions.csv", "data.val=2"),
        *("+data.tests.test=2", "data.batch_by=stream", "data.batch_size=2", "debug=tiny"),
    ],
}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("own")
    write_clip_art(root)
    write_photos(root / "images")
    write_captions(root / "captions.csv")
    cvat(root)
    return root


@pytest.mark.parametrize("kind", KINDS)
def test_own_data_trains_and_is_tested_without_training_files(root: Path, kind: str) -> None:
    config = compose_plain(root / "outputs", *KINDS[kind], f"data.root={root}", f"data.cache={root}/cache")
    data = build(config["data"], "data")
    data.prepare_data()
    data.setup()
    task = build_task(config, data.description())
    task.loss(next(iter(data.train_dataloader()))).total.backward()
    grads = [weights.grad for weights in task.parameters() if weights.grad is not None]
    assert grads and all(map(torch.isfinite, (grad.sum() for grad in grads)))
    assert len(data.test_dataloader()) == 1
    tests = {"mine": config["data"]["train"], "test": None}
    alone = data_of({**config["data"], "train": "???", "val": "???", "tests": tests})
    alone.use(data.description())
    alone.prepare_data()
    alone.setup("test")
    (loader,) = alone.test_dataloader()
    assert alone.test_names == ["mine"] and len(list(loader)) > 0
