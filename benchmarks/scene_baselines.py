"""Scores of baselines without a model on a test set of scenes, layouts or composites: prints a Markdown
table, writes JSON.

    python benchmarks/scene_baselines.py [task=layout data=coco_layout ...] [--out FILE.json] [--seed 0]

Task, data and the data's options are given as for ``src/train.py``; the default is ``data=abstract_scenes``.
All rows but the first are limited to what a model can output: at most its number of objects, on grid points,
with the sizes and shapes of its heads. Means are over the test set's samples: each scene with each of its
texts.

- another test ...: the test scenes in random order (the random-scene baseline).
- most frequent classes (layouts only): those with the most boxes in the training set, each once, at its mean
  box; one class, and as many as a training layout has boxes on average.
- nearest text: the training scene whose text is most similar to the test text, both as the model reads them,
  by the cosine of word counts weighted by idf = log(texts / texts with the word); and other weightings.
- nearest texts of ...: all texts of a training scene joined; in the last row those of a test scene, too.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from seq2scene.building import build  # noqa: E402
from seq2scene.data.scenes.scene_module import SceneModule  # noqa: E402
from seq2scene.errors import UserError  # noqa: E402
from seq2scene.json_text import to_json  # noqa: E402
from seq2scene.metrics.scene_scores import HEADINGS, SceneScores  # noqa: E402
from seq2scene.running.entry import user_errors  # noqa: E402
from seq2scene.running.options.task_compatibility import check_choices  # noqa: E402
from seq2scene.scenes.objects import Objects  # noqa: E402
from seq2scene.scenes.schema import Schema, aspect_classes, size_classes  # noqa: E402

TASKS = {"abstract": "scene", "layout": "layout", "composite": "composite"}  # and the name of a sample
PER_SET = 10  # of Abstract Scenes
CHUNK = 250  # samples compared with all texts, or scored, at a time: bounds memory
TITLES = {**HEADINGS, "b_coord_masked": "masked"}
WORDS = {
    "": {},
    ", 1 + idf": {"add": 1.0},  # scikit-learn's default
    ", no stop words": {"stop_words": "english"},
    ", words and pairs": {"ngram_range": (1, 2)},
}
MEASURES = {"size": size_classes, "aspect": aspect_classes}


def configuration(overrides: list[str]) -> dict[str, Any]:
    """The parts of the composed config needed here, as plain containers."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("train", overrides, return_hydra_config=True)
    if config.task.name not in TASKS:
        raise UserError(f"task={config.task.name} does not predict scenes; choose one of {', '.join(TASKS)}")
    check_choices(config.hydra.runtime.choices, config)
    return {key: OmegaConf.to_container(config[key], resolve=True) for key in ("task", "data", "scores")}


# Predictions


def sayable(objects: Objects, schema: Schema) -> Objects:
    """The objects as a model can output them: truncated, snapped to the grid, sized by their attributes."""
    ended = schema.with_end(objects)
    places = schema.grid.point(schema.cells(ended)) * ended.present.unsqueeze(2)
    attributes = {name: ended.attributes[name] for name in schema.heads}
    return replace(ended, places=places, attributes=attributes, extents=None)


def most_frequent(known: Objects, schema: Schema, count: int) -> Objects:
    """One layout: the ``count`` classes with the most boxes in ``known``, each once, at its mean box."""
    classes, boxes = known.classes[known.present], schema.boxes(known)[known.present]
    counts = classes.bincount(minlength=schema.classes)
    sums = torch.zeros(schema.classes, 4).index_add(0, classes, boxes)
    chosen = counts.argsort(descending=True, stable=True)[:count]
    means = (sums[chosen] / counts[chosen].unsqueeze(1)).unsqueeze(0)
    places, extents = means.split(2, dim=2)
    heads = {name: MEASURES[name](*extents.unbind(2), head.classes) for name, head in schema.heads.items()}
    return Objects(chosen.unsqueeze(0), places, heads, extents)


def nearest(documents: list[str], queries: list[str], add: float = 0.0, **settings: Any) -> Tensor:
    """(queries,) int64, the index of the document most similar to each query by TF-IDF, ties going to the
    first. Words are separated by spaces.
    """
    vectorizer = TfidfVectorizer(smooth_idf=False, token_pattern=r"\S+", **settings).fit(documents)
    vectorizer.idf_ = vectorizer.idf_ - 1 + add
    known, asked = vectorizer.transform(documents).T, vectorizer.transform(queries)
    starts = range(0, len(queries), CHUNK)
    found = [(asked[start : start + CHUNK] @ known).toarray().argmax(axis=1) for start in starts]
    return torch.cat([torch.from_numpy(places) for places in found])


def words(data: SceneModule, split: str) -> list[list[str]]:
    """The texts of each scene, as the words that the model reads."""
    read, spelt = data.reader.ids, data.reader.language.vocabulary.tokens
    return [
        [" ".join(word for sentence in text for word in spelt(read(sentence))) for text in texts]
        for texts in data.splits[split].texts
    ]


def scenes_of(texts: list[list[str]]) -> Tensor:
    """(samples,) int64, the index of the scene that each text describes."""
    return torch.arange(len(texts)).repeat_interleave(torch.tensor([len(told) for told in texts]))


def predictions(data: SceneModule, task: str, seed: int) -> dict[str, Objects]:
    """The predictions of each row for the test samples, in order."""
    schema, what, test = data.schema, TASKS[task], data.splits["test"]
    exact = data.splits["train"].objects
    truth, known = sayable(test.objects, schema), sayable(exact, schema)
    texts, known_texts = words(data, "test"), words(data, "train")
    scenes, known_scenes = scenes_of(texts), scenes_of(known_texts)

    rows = {f"true {what}": test.objects[scenes], f"true {what}, sayable": truth[scenes]}
    if task == "abstract":
        place = {number: index for index, number in enumerate(test.numbers)}
        beside = [place.get(n // PER_SET * PER_SET + (n + 1) % PER_SET) for n in test.numbers]
        if None not in beside:  # the test set consists of whole sets
            rows["next scene of its set"] = truth[torch.tensor(beside)[scenes]]
    shuffled = torch.randperm(len(truth), generator=torch.Generator().manual_seed(seed))
    rows[f"another test {what}"] = truth[shuffled[scenes]]
    if task == "layout":
        mean = round(exact.present.sum(1).double().mean().item())
        for name, count in {"most frequent class": 1, f"{mean} most frequent classes": mean}.items():
            rows[name] = sayable(most_frequent(exact, schema, count), schema)[torch.zeros_like(scenes)]

    each, known_each = [[text for told in all_ for text in told] for all_ in (texts, known_texts)]
    for name, settings in WORDS.items():
        rows[f"nearest text{name}"] = known[known_scenes[nearest(known_each, each, **settings)]]
    whole, known_whole = [[" ".join(told) for told in all_] for all_ in (texts, known_texts)]
    rows[f"nearest texts of a {what}"] = known[nearest(known_whole, each)]
    rows[f"nearest texts of a {what}, to all"] = known[nearest(known_whole, whole)[scenes]]
    return rows


def score(metric: SceneScores, prediction: Objects, truth: Objects) -> dict[str, float]:
    """The means over all samples, by name."""
    metric.reset()
    for start in range(0, len(truth), CHUNK):
        some = slice(start, start + CHUNK)
        metric.update(prediction[some], truth[some])
    return {name: value.item() for name, value in metric.compute().items()}


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", default=["data=abstract_scenes"], help="as for src/train.py")
    parser.add_argument("--seed", type=int, default=0, help="of the row with other test samples")
    parser.add_argument("--out", default="scene_baselines.json")
    options = parser.parse_intermixed_args(given)
    config = configuration(options.overrides)
    data = build(config["data"], "data")
    data.prepare_data()
    data.setup()
    metric = build(config["scores"], "scores", schema=data.schema)
    columns = {name: title for name, title in TITLES.items() if name in metric.names}
    print("| |", *(f"{title} |" for title in columns.values()))
    print("|---|" + "---|" * len(columns))
    truth, results = data.truth("test"), {}
    for row, prediction in predictions(data, config["task"]["name"], options.seed).items():
        results[row] = score(metric, prediction, truth)
        print(f"| {row} |", *(f"{results[row][name]:.4f} |" for name in columns), flush=True)
    report = {"config": config, "samples": len(truth), "seed": options.seed, "rows": results}
    Path(options.out).write_text(to_json(report, indent=2) + "\n")


if __name__ == "__main__":
    with user_errors():
        main()
