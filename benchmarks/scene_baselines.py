"""What predictions without a model score on the test set of Abstract Scenes: prints a table, writes JSON.

    python benchmarks/scene_baselines.py [--data FOLDER] [--out scene_baselines.json] [--seed 0]

Every row but the first says what a model could say: at most nine objects, at points of the 28 x 28 grid. The
nearest text is that of the training texts, each of one scene and one group of annotators, which is most like
the test text: by the cosine of the words' counts, weighed by idf = log(texts / texts with the word). Other
ways to weigh and to join texts stand below it. Means are over the test set's samples: each scene with
each of its two texts.
"""

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from seq2scene.data.abstract_scenes import ATTRIBUTES, AbstractScenes  # noqa: E402
from seq2scene.metrics.scene_scores import HEADINGS, SceneScores  # noqa: E402
from seq2scene.scenes.objects import Objects  # noqa: E402
from seq2scene.scenes.schema import Schema  # noqa: E402

PER_SET = 10
COLUMNS = {name: title for name, title in HEADINGS.items() if name not in ("aspect", "iou")}
COLUMNS["b_coord_masked"] = "masked"
WORDS = {
    "": {},
    ", 1 + idf": {"add": 1.0},  # as scikit-learn has it by default
    ", no stop words": {"stop_words": "english"},
    ", words and pairs": {"ngram_range": (1, 2)},
}


def read(folder: str, cache: str) -> AbstractScenes:
    children = {"pose", "expression"}
    heads = {
        name: {"classes": classes, "only": ["hb0", "hb1"] if name in children else None}
        for name, classes in ATTRIBUTES.items()
    }
    data = AbstractScenes(folder, {"columns": 28, "rows": 28}, heads, cache=cache)
    data.setup()
    return data


def sayable(objects: Objects, schema: Schema) -> Objects:
    """The objects as a model says them: cut, and at the nearest points of the grid."""
    ended = schema.with_end(objects)
    places = schema.grid.point(schema.cells(ended)) * ended.present.unsqueeze(2)
    return replace(ended, places=places)


def nearest(documents: list[str], queries: list[str], add: float = 0.0, **settings) -> Tensor:
    """(queries,) the index of the document most like each query by TF-IDF, the first of equals."""
    vectorizer = TfidfVectorizer(smooth_idf=False, **settings).fit(documents)
    vectorizer.idf_ = vectorizer.idf_ - 1 + add
    known = vectorizer.transform(documents)
    found = [
        (vectorizer.transform(queries[start : start + 250]) @ known.T).toarray().argmax(axis=1)
        for start in range(0, len(queries), 250)
    ]
    return torch.cat([torch.from_numpy(rows) for rows in found])


def predictions(data: AbstractScenes, seed: int) -> dict[str, Objects]:
    """What each row predicts for the samples of the test set, in their order."""
    schema, truth = data.schema, data.truth("test")
    numbers = data.scene_ids("test")
    sample = {number: index for index, number in enumerate(numbers)}
    beside = [sample[n // PER_SET * PER_SET + (n + 1) % PER_SET] for n in numbers]
    scenes = sorted(sample)
    shuffled = torch.randperm(len(scenes), generator=torch.Generator().manual_seed(seed))
    other = {scene: sample[scenes[index]] for scene, index in zip(scenes, shuffled.tolist(), strict=True)}
    rows = {
        "the true scene": truth,
        "the true scene, sayable": sayable(truth, schema),
        "the next scene of its set": sayable(truth[torch.tensor(beside)], schema),
        "another test scene": sayable(truth[torch.tensor([other[n] for n in numbers])], schema),
    }

    known = sayable(data.truth("train"), schema)
    known_texts, texts = [[" ".join(text) for text in data.texts(split)] for split in ("train", "test")]
    for name, settings in WORDS.items():
        rows[f"nearest text{name}"] = known[nearest(known_texts, texts, **settings)]
    groups = 2
    joined = [" ".join(known_texts[i : i + groups]) for i in range(0, len(known_texts), groups)]
    whole = [" ".join(texts[i : i + groups]) for i in range(0, len(texts), groups)]
    rows["nearest two texts of a scene"] = known[groups * nearest(joined, texts)]
    both = groups * nearest(joined, whole)
    rows["nearest two texts to both"] = known[both.repeat_interleave(groups)]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(os.environ.get("SEQ2SCENE_DATA", ROOT / "data")) / "AbstractScenes_v1.1"
    parser.add_argument("--data", default=str(default), help="folder of Abstract Scenes")
    parser.add_argument("--seed", type=int, default=0, help="of the row of other test scenes")
    parser.add_argument("--out", default="scene_baselines.json")
    options = parser.parse_args()
    with TemporaryDirectory() as cache:
        data = read(options.data, cache)
    truth, results = data.truth("test"), {}
    print(f"{'':32}", *(f"{title:>7}" for title in COLUMNS.values()))
    for row, prediction in predictions(data, options.seed).items():
        metric = SceneScores(data.schema)
        metric.update(prediction, truth)
        results[row] = {name: value.item() for name, value in metric.compute().items()}
        print(f"{row:32}", *(f"{results[row][name]:7.4f}" for name in COLUMNS), flush=True)
    report = {"samples": len(truth), "seed": options.seed, "rows": results}
    Path(options.out).write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
