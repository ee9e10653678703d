"""What predictions without a model score on a test set of scenes or of layouts: prints a table in Markdown,
writes JSON.

    python benchmarks/scene_baselines.py [task=layout data=coco_layout ...] [--out FILE.json] [--seed 0]

Task, data and the data's options are said as to ``src/train.py``; where nothing is said, it is the scenes of
``data=abstract_scenes``. Every row but the first says what a model could say: no more objects than it may
place, at points of the grid, with the sizes and shapes that its heads have. Means are over the test set's
samples: each scene with each of its texts.

- another test ...: the scenes of the test set in a random order.
- most frequent classes, of layouts: those with most boxes in the training set, each once, at its mean box;
  one of them, and as many as a training layout has boxes in the mean.
- nearest text: the training scene whose text is most like the test text, both as the model reads them, by
  the cosine of the words' counts, weighed by idf = log(texts / texts with the word); other ways to weigh.
- nearest texts of ...: all texts of a training scene are one, and in the last row those of a test scene too.
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
from seq2scene.running.task_compatibility import check_choices  # noqa: E402
from seq2scene.scenes.objects import Objects  # noqa: E402
from seq2scene.scenes.schema import Schema, aspect_classes, size_classes  # noqa: E402

TASKS = {"abstract": "scene", "layout": "layout"}  # and what one of its samples shows
PER_SET = 10  # of Abstract Scenes
CHUNK = 250  # samples held against all texts, or scored: what bounds the memory
TITLES = {**HEADINGS, "b_coord_masked": "masked"}
WORDS = {
    "": {},
    ", 1 + idf": {"add": 1.0},  # as scikit-learn has it by default
    ", no stop words": {"stop_words": "english"},
    ", words and pairs": {"ngram_range": (1, 2)},
}
MEASURES = {"size": size_classes, "aspect": aspect_classes}


def configuration(overrides: list[str]) -> dict[str, Any]:
    """Of the composed config what is needed here, as plain containers."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("train", overrides, return_hydra_config=True)
    if config.task.name not in TASKS:
        raise UserError(f"task={config.task.name} predicts no scenes; choose one of {', '.join(TASKS)}")
    check_choices(config.hydra.runtime.choices, config)
    return {key: OmegaConf.to_container(config[key], resolve=True) for key in ("task", "data", "scores")}


# What can be predicted


def sayable(objects: Objects, schema: Schema) -> Objects:
    """The objects as a model says them: cut, at the nearest points of the grid, sized by their attributes."""
    ended = schema.with_end(objects)
    places = schema.grid.point(schema.cells(ended)) * ended.present.unsqueeze(2)
    attributes = {name: ended.attributes[name] for name in schema.heads}
    return replace(ended, places=places, attributes=attributes, extents=None)


def most_frequent(known: Objects, schema: Schema, count: int) -> Objects:
    """One layout: the ``count`` classes with most boxes among the known ones, each once, at its mean box."""
    classes, boxes = known.classes[known.present], schema.boxes(known)[known.present]
    counts = classes.bincount(minlength=schema.classes)
    sums = torch.zeros(schema.classes, 4).index_add(0, classes, boxes)
    chosen = counts.argsort(descending=True, stable=True)[:count]
    means = (sums[chosen] / counts[chosen].unsqueeze(1)).unsqueeze(0)
    places, extents = means.split(2, dim=2)
    heads = {name: MEASURES[name](*extents.unbind(2), head.classes) for name, head in schema.heads.items()}
    return Objects(chosen.unsqueeze(0), places, heads, extents)


def nearest(documents: list[str], queries: list[str], add: float = 0.0, **settings: Any) -> Tensor:
    """(queries,) int64, the place of the document most like each query by TF-IDF, the first of equals. Words
    are what spaces separate.
    """
    vectorizer = TfidfVectorizer(smooth_idf=False, token_pattern=r"\S+", **settings).fit(documents)
    vectorizer.idf_ = vectorizer.idf_ - 1 + add
    known, asked = vectorizer.transform(documents).T, vectorizer.transform(queries)
    starts = range(0, len(queries), CHUNK)
    found = [(asked[start : start + CHUNK] @ known).toarray().argmax(axis=1) for start in starts]
    return torch.cat([torch.from_numpy(places) for places in found])


def words(data: SceneModule, split: str) -> list[list[str]]:
    """Of each scene its texts, each as the words that the model reads."""
    read, spelt = data.reader.ids, data.reader.language.vocabulary.tokens
    return [
        [" ".join(word for sentence in text for word in spelt(read(sentence))) for text in texts]
        for texts in data.splits[split].texts
    ]


def scenes_of(texts: list[list[str]]) -> Tensor:
    """(samples,) int64, the place of the scene that each text tells."""
    return torch.arange(len(texts)).repeat_interleave(torch.tensor([len(told) for told in texts]))


def predictions(data: SceneModule, task: str, seed: int) -> dict[str, Objects]:
    """What each row predicts for the samples of the test set, in their order."""
    schema, what, test = data.schema, TASKS[task], data.splits["test"]
    exact = data.splits["train"].objects
    truth, known = sayable(test.objects, schema), sayable(exact, schema)
    texts, known_texts = words(data, "test"), words(data, "train")
    scenes, known_scenes = scenes_of(texts), scenes_of(known_texts)

    rows = {f"true {what}": test.objects[scenes], f"true {what}, sayable": truth[scenes]}
    if task == "abstract":
        place = {number: index for index, number in enumerate(test.numbers)}
        beside = [place.get(n // PER_SET * PER_SET + (n + 1) % PER_SET) for n in test.numbers]
        if None not in beside:  # the test set is made of whole sets
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
    parser.add_argument("overrides", nargs="*", default=["data=abstract_scenes"], help="as to src/train.py")
    parser.add_argument("--seed", type=int, default=0, help="of the row of other test samples")
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
