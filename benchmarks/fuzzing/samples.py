"""Small valid files of every kind that users give, which the fuzzer damages."""

import io
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from safetensors.torch import save as tensors_as_bytes

from seq2scene.json_text import to_json
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.run_lengths import encoded
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


def coco(categories: list[dict[str, Any]], *annotations: dict[str, Any]) -> bytes:
    return as_json({"images": IMAGES, "categories": categories, "annotations": annotations})


def told(number: int) -> dict[str, Any]:
    sentences = [{"raw": "A dog runs.", "sentid": 2 * number}, {"raw": "A cat.", "sentid": 2 * number + 1}]
    place = {"filename": f"{number}.jpg", "filepath": "train2014"}
    return {"imgid": number, "split": "train", **place, "sentences": sentences}


THING = {"id": 7, "image_id": 3, "category_id": 1, "iscrowd": 0, "segmentation": SQUARE, "bbox": [2, 2, 8, 8]}
OTHER = {**THING, "id": 8, "segmentation": COUNTS, "bbox": [0, 0, 9, 9.5]}
SEGMENT = {"id": 9, "category_id": 92, "iscrowd": 0, "bbox": [0, 0, 4, 4], "area": 9}
CAPTIONS = coco([], *({"id": 3 * n, "image_id": n, "caption": "A dog."} for n in (3, 5)))
INSTANCES = coco(CATEGORIES[:1], THING, {**OTHER, "image_id": 5})
STUFF = coco(CATEGORIES[1:], {**THING, "category_id": 92}, {**OTHER, "category_id": 92})
PANOPTIC = coco(CATEGORIES, {"image_id": 3, "file_name": "3.png", "segments_info": [SEGMENT]})
KARPATHY = as_json({"images": [told(0), told(1)]})
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
CAPTION_TABLE = lines("image,caption", '3.jpg,"A dog, a cat."', "5.jpg,A red ball.", "5.jpg,One ball.")
CAPTION_LINES = lines(
    to_json({"image": "3.jpg", "captions": ["A dog.", "One."]}), to_json({"image": "5.jpg", "caption": "A."})
)
SCENE_TABLE = lines("scene,text,name,x,y,depth,mood", "1,A dog.,dog,10,20,1,", "1,,girl,30,4.5,0,sad")
SCENE_LINES = lines(
    to_json({"text": "A dog.", "objects": [{"name": "dog", "x": 1, "y": 2.5, "size": 0.7, "flip": True}]}),
    to_json({"scene": "b", "texts": ["A girl.", "One."], "objects": [{"name": "girl", "x": 1, "y": 2}]}),
)
NAMES = ("s_3", "hb0", "t_4")
HEADS = {"size": Head(3), "flip": Head(2), "pose": Head(7, only=("hb0",))}
SCHEMA = Schema(
    *(NAMES, Grid(28, 28, 0.0, 0.0, 500.0, 400.0), HEADS, 9, 3),
    *((500.0, 400.0), torch.ones(3, 7, 5, 2), (1.0, 0.7, 0.49)),
)
CHILD = {"class": "hb0", "x": 250.5, "y": 100, "size": 1, "flip": 0, "pose": 3}
SUN = {"class": "s_3", "x": 3, "y": 5.25, "size": 0, "flip": 1}
SCENE = as_json({"sentences": ["A dog."], "objects": [CHILD, SUN]})
CONFIG = {"task": {"_target_": "seq2scene.tasks.nmt.NMT", "name": "nmt"}, "model": {"size": 4}}
WEIGHTS = {"model.weight": torch.ones(3, 4), "model.bias": torch.zeros(3)}
PARAMETERS = {"config": CONFIG, "description": {"source": {"tokens": ["a"]}}}
CHECKPOINT = saved(partial(torch.save, {"state_dict": WEIGHTS, "hyper_parameters": PARAMETERS}))
TENSORS = tensors_as_bytes(WEIGHTS)
FOLDER = as_json(
    {
        **{"format": "seq2scene model", "version": 1, "config": CONFIG},
        "files": {"weights.safetensors": sha256(TENSORS).hexdigest()},
        "description": {"source": {"tokens": ["a", "b"]}, "sizes": [1, 2]},
    }
)
SCORES = as_json({"test": {"bleu": 12.5, "perplexity": 12.0, "signature": "case:lc", "copy": {"bleu": 1.5}}})
RECORD = {
    **{"command": "python src/train.py", "started": "2026-01-01T10:00:00", "seconds": 12.5, "processes": 1},
    **{"git": "abc", "tested": "best.ckpt", "reports": ["hypotheses"], "versions": {"torch": "2"}},
    "parameters": {"total": 3, "parts": {"a": 3}},
    "hardware": {"gpus": ["H100"], "processor": "x", "cores": 2, "system": "Linux"},
    "config": {**CONFIG, "name": "nmt", "monitor": {"metric": "val/bleu"}, "published": [{"system": "a"}]},
}
SIDES = {f"test.{side}.txt": lines("a dog runs", "a cat") for side in ("sources", "references", "hypotheses")}
RUN = {"run.json": as_json(RECORD), "metrics.json": SCORES, "metrics.csv": METRICS, **SIDES}
FACT = {"kind": "hold", "holds": True, "holds_strict": False, "words": "Mike holds"}
RESULT = {"sample": 0, "scene": 3, "sentences": ["A dog."], "generated": [], "true": [], "facts": [FACT]}
SAMPLE = lines(to_json({**RESULT, "scores": {"u_obj_recall": 0.5, "pose": None}}))
HYPERPARAMETERS = yaml.safe_dump({**CONFIG, "name": "nmt"}).encode()
LENGTHS = lines("system,shortest,longest,sentences,bleu,cumulative,ratio", "model,1,5,3,20.5,20.5,1.0")
STARTS = saved(lambda out: np.save(out, np.array([0, 6])))
WORDS = Vocabulary.count([["the", "dog", "cat", "at"]])
JPEG = picture("RGB", "JPEG")
MASK = np.zeros((16, 24), dtype=bool)
MASK[2:10, 2:10] = True
STORE = {
    **{"names": ["person", "banner"], "things": 1, "sides": [8, 16], "ids": [3], "sizes": [[24, 16]]},
    **{"files": ["3.jpg"], "licenses": [1], "terms": {"1": ["MIT", "https://mit"]}, "image": [0, 0]},
    **{"category": [0, 1], "boxes": [[2, 2, 8, 8]] * 2, "annotations": ["7", "8"]},
    "runs": [encoded(MASK).decode()] * 2,
}
