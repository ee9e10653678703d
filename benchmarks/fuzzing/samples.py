"""Small valid files of every kind that users give, which the fuzzer damages."""

import io
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from safetensors.torch import save as tensors_as_bytes

from seq2scene.json_text import to_json
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.schema import Head, Schema
from seq2scene.sequences.vocabulary import Vocabulary


def saved(save: Callable[[Any], object]) -> bytes:
    out = io.BytesIO()
    save(out)
    return out.getvalue()


def picture(mode: str = "RGBA", form: str = "PNG", **options: Any) -> bytes:
    noise = np.random.default_rng(0).integers(256, size=(16, 24), dtype=np.uint8)
    return saved(lambda out: Image.fromarray(noise).convert(mode).save(out, form, **options))


def as_json(value: Any) -> bytes:
    return to_json(value).encode()


def lines(*texts: str) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


SQUARE = [[2, 2, 2, 10, 10, 10, 10, 2]]
COUNTS = {"size": [16, 24], "counts": [40, 100, 244]}
IMAGES = [{"id": n, "file_name": f"{n}.jpg", "width": 24, "height": 16, "license": 1} for n in (3, 5)]
CATEGORIES = [
    {"id": 1, "name": "person", "supercategory": "person", "isthing": 1},
    {"id": 92, "name": "banner", "supercategory": "textile", "isthing": 0},
]
CAPTIONS = as_json(
    {
        "images": IMAGES,
        "annotations": [
            {"id": n, "image_id": image, "caption": "A dog."} for n, image in enumerate((3, 3, 5))
        ],
    }
)
THING = {"id": 7, "image_id": 3, "category_id": 1, "iscrowd": 0, "segmentation": SQUARE}
INSTANCES = as_json(
    {
        "images": IMAGES,
        "licenses": [{"id": 1, "name": "CC", "url": "http://x"}],
        "categories": CATEGORIES[:1],
        "annotations": [
            {**THING, "bbox": [2, 2, 8, 8]},
            {**THING, "id": 8, "image_id": 5, "bbox": [0, 0, 9, 9.5], "segmentation": COUNTS},
        ],
    }
)
STUFF = as_json(
    {
        "images": IMAGES,
        "categories": CATEGORIES[1:],
        "annotations": [
            {**THING, "category_id": 92, "bbox": [2, 2, 8, 8]},
            {**THING, "id": 8, "category_id": 92, "bbox": [0, 0, 9, 9], "segmentation": COUNTS},
        ],
    }
)
PANOPTIC = as_json(
    {
        "images": IMAGES,
        "categories": CATEGORIES,
        "annotations": [
            {
                "image_id": 3,
                "file_name": "3.png",
                "segments_info": [
                    {"id": 9, "category_id": 92, "iscrowd": 0, "bbox": [0, 0, 4, 4], "area": 9}
                ],
            }
        ],
    }
)
KARPATHY = as_json(
    {
        "images": [
            {
                **{"imgid": n, "split": "train", "filename": f"{n}.jpg", "filepath": "train2014"},
                "sentences": [
                    {"raw": "A dog runs.", "sentid": 2 * n},
                    {"raw": "A cat.", "sentid": 2 * n + 1},
                ],
            }
            for n in (0, 1)
        ]
    }
)
GLOVE = lines("the 0.1 -0.2 0.3", "dog 1 2 3", "at name@domain.com 1 2 3", "cat 1e-3 4 5")
VECTORS = saved(
    lambda out: np.savez(out, words=np.array(["the", "dog", "cat"]), vectors=np.ones((3, 4), np.float32))
)
METRICS = lines("epoch,step,train/loss,val/loss_epoch", "0,1,2.5,", "0,2,,3.5", "1,3,2.25,", "1,4,1e-3,2.5")
SCENES = lines(
    "1", "0\t2", "s_3s.png 3 1 10 20 0 1", "hb0_12s.png 18 1 250 200 1 0", "0\t1", "t_4s.png 4 1 9 9 2 0"
)
FACTS = lines(
    to_json({"scene": 0, "texts": [[[{"kind": "hold", "subject": "hb0", "object": "t_13"}], []]]}),
    to_json({"scene": 1, "texts": [[[{"kind": "mood", "subject": "hb0", "value": "happy", "count": 1}]]]}),
)
NAMES = ("s_3", "hb0", "t_4")
HEADS = {"size": Head(3), "flip": Head(2), "pose": Head(7, only=("hb0",))}
SCHEMA = Schema(
    *(NAMES, Grid(28, 28, 0.0, 0.0, 500.0, 400.0), HEADS, 9, 3),
    *((500.0, 400.0), torch.ones(3, 7, 5, 2), (1.0, 0.7, 0.49)),
)
SCENE = as_json(
    {
        "sentences": ["A dog."],
        "objects": [
            {"class": "hb0", "x": 250.5, "y": 100, "size": 1, "flip": 0, "pose": 3},
            {"class": "s_3", "x": 3, "y": 5.25, "size": 0, "flip": 1},
        ],
    }
)
CONFIG = {"task": {"_target_": "seq2scene.tasks.nmt.NMT", "name": "nmt"}, "model": {"size": 4}}
WEIGHTS = {"model.weight": torch.ones(3, 4), "model.bias": torch.zeros(3)}
CHECKPOINT = saved(
    lambda out: torch.save(
        {
            "state_dict": WEIGHTS,
            "hyper_parameters": {"config": CONFIG, "description": {"source": {"tokens": ["a"]}}},
        },
        out,
    )
)
TENSORS = tensors_as_bytes(WEIGHTS)
FOLDER = as_json(
    {
        **{"format": "seq2scene model", "version": 1, "config": CONFIG},
        "files": {"weights.safetensors": sha256(TENSORS).hexdigest()},
        "description": {"source": {"tokens": ["a", "b"]}, "sizes": [1, 2]},
    }
)
SCORES = as_json(
    {"test": {"bleu": 12.5, "loss": 2.5, "perplexity": 12.0, "signature": "case:lc", "copy": {"bleu": 1.5}}}
)
RECORD = {
    **{"command": "python src/train.py", "started": "2026-01-01T10:00:00", "seconds": 12.5, "processes": 1},
    **{
        "git": "abc",
        "tested": "best.ckpt",
        "reports": ["hypotheses"],
        "parameters": {"total": 3, "parts": {"a": 3}},
    },
    "hardware": {"gpus": ["H100"], "processor": "x", "cores": 2, "system": "Linux"},
    "versions": {"torch": "2"},
    "config": {
        **CONFIG,
        "name": "nmt",
        "monitor": {"metric": "val/bleu"},
        "published": [{"system": "a", "bleu": 1.0}],
    },
}
SIDES = {f"test.{side}.txt": lines("a dog runs", "a cat") for side in ("sources", "references", "hypotheses")}
RUN = {"run.json": as_json(RECORD), "metrics.json": SCORES, "metrics.csv": METRICS, **SIDES}
SAMPLE = lines(
    to_json(
        {
            **{"sample": 0, "scene": 3, "sentences": ["A dog."], "generated": [], "true": []},
            "scores": {"u_obj_recall": 0.5, "pose": None},
            "facts": [{"kind": "hold", "holds": True, "holds_strict": False, "words": "Mike holds"}],
        }
    )
)
HYPERPARAMETERS = yaml.safe_dump({**CONFIG, "name": "nmt"}).encode()
LENGTHS = lines(
    "system,shortest,longest,sentences,bleu,cumulative,ratio",
    "model,1,5,3,20.5,20.5,1.0",
    "model,6,9,3,10.5,15,0.9",
)
STARTS = saved(lambda out: np.save(out, np.array([0, 6])))
WORDS = Vocabulary.count([["the", "dog", "cat", "at"]])
JPEG = picture("RGB", "JPEG")
