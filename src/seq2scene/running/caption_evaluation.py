"""Scores of a captioner on its test sets, with the captions they are scores of, and what to compare them
with: people, baselines that need no model, and its own captions of other images.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from seq2scene.data.captions.caption_module import CaptionModule
from seq2scene.data.features import stored_features
from seq2scene.errors import UserError
from seq2scene.json_text import to_json, write_json
from seq2scene.metrics.caption_words import caption_words
from seq2scene.metrics.human_agreement import human_line
from seq2scene.plotting.figures import save_picture
from seq2scene.running.caption_drawing import draw_caption, split_batch
from seq2scene.running.distributed import gather
from seq2scene.scenes.objects import FIRST_CLASS
from seq2scene.tasks.captioning import FREE_RUNNING, Caption, Captioning

# What is scored beside the model: its key in metrics.json, and its name in tables.
COMPARISONS = {
    "human_line": "people",
    "another_image": "shuffled",
    "most_frequent_caption": "frequent",
    "nearest_image": "nearest",
}
CAPTION_ROW = (*FREE_RUNNING, "perplexity")
BLOCK = 512  # photos whose features are in memory together


def evaluate_captions(
    trainer: pl.Trainer, task: Captioning, data: CaptionModule, folder: Path
) -> dict[str, Any]:
    """Captions and scores every test set; the scores by name of the set and of the score, under
    ``human_line`` how people score by the same metrics (``metrics.human_agreement``), and under
    ``another_image`` how the model's own captions do where each is of another image: of what they tell about
    an image nothing is left. (``another_image`` is missing where there is one image alone.)

    Into ``folder`` go metrics.json and, of each set, NAME.captions.jsonl: of each image its file, the
    caption, its log-probability and the references.
    """
    data.trainer = trainer  # the loaders deal to its ranks
    results = {}
    for name, loader in zip(data.test_names, data.test_dataloader(), strict=True):
        task.test_name = name
        task.captions.clear()
        (scores,) = trainer.test(task, dataloaders=loader, verbose=False)
        task.to(trainer.strategy.root_device)  # Lightning has moved it to the CPU, where NCCL adds nothing up
        task.captions[:] = in_order(gather(task.captions, trainer.world_size))
        results[name] = {key.removeprefix(f"test/{name}/"): value for key, value in scores.items()}
        references = references_of(task.captions, data, name)
        results[name]["human_line"] = human_scores(task, references)  # on every rank: metrics synchronise
        if len(task.captions) > 1:
            others = another(len(task.captions))
            moved = [task.captions[row].text for row in others]
            results[name]["another_image"] = caption_scores(task, moved, references)
        if trainer.is_global_zero:
            folder.mkdir(parents=True, exist_ok=True)
            _write(folder / f"{name}.captions.jsonl", task.captions, references, data, name)
    if trainer.is_global_zero:
        write_json(folder / "metrics.json", results)
    return results


def in_order(captions: list[Caption]) -> list[Caption]:
    """Those of all ranks by their image; images that were dealt twice to make ranks even stand once."""
    rows = {caption.row: caption for caption in captions}
    return [rows[row] for row in sorted(rows)]


def another(count: int, seed: int = 0) -> list[int]:
    """For each of ``count`` things, at least 2, another one, by chance; each is another's once."""
    order = np.random.default_rng(seed).permutation(count)
    others = np.empty_like(order)
    others[order] = np.roll(order, 1)
    return others.tolist()


def references_of(captions: list[Caption], data: CaptionModule, name: str) -> list[tuple[str, ...]]:
    references = data.references(name)
    return [references[caption.row] for caption in captions]


def human_scores(task: Captioning, references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Each reference against the others of its image, by the task's own metrics; call on every rank."""
    metrics = task.scores["test_scores"]
    return {name: human_line(metrics[name], references) for name in FREE_RUNNING}


def caption_scores(
    task: Captioning, captions: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, float]:
    """Captions from elsewhere by the task's own metrics; call on every rank."""
    scores = {}
    for name in FREE_RUNNING:
        metric = task.scores["test_scores"][name]
        metric.update(captions, references)
        scores[name] = float(metric.compute())
        metric.reset()
    return scores


def _write(
    path: Path, captions: list[Caption], references: list[tuple[str, ...]], data: CaptionModule, name: str
) -> None:
    rows = [
        {
            "image": data.image_name(name, caption.row),
            "caption": caption.text,
            "log_prob": round(caption.log_prob, 4),
            "references": list(texts),
        }
        for caption, texts in zip(captions, references, strict=True)
    ]
    lines = [to_json(row, ensure_ascii=False) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf-8")


# Baselines


def add_baselines(task: Captioning, data: CaptionModule, results: dict[str, dict[str, Any]]) -> None:
    """Adds to the scores of each test set, of all its images, those of ``most_frequent_caption``, the one
    training caption that most people wrote, and of ``nearest_image``, the first caption of the training image
    that is most alike (``summaries``). Call on every rank.
    """
    training = data.references("train")
    common = most_frequent_caption(training)
    known = summaries(task, data, "train")
    for name, scores in results.items():
        references = data.references(name)
        nearest = nearest_rows(summaries(task, data, name), known)
        scores["most_frequent_caption"] = caption_scores(task, [common] * len(references), references)
        copied = [training[row][0] for row in nearest.tolist()]
        scores["nearest_image"] = caption_scores(task, copied, references)


def most_frequent_caption(references: Sequence[Sequence[str]]) -> str:
    """As scores read it, without capitals and punctuation; of equally frequent ones the first."""
    counts = Counter(" ".join(caption_words(text)) for texts in references for text in texts)
    return counts.most_common(1)[0][0]


def summaries(task: Captioning, data: CaptionModule, split: str) -> Tensor:
    """(images, D) what each image is like: what the image encoder makes of it, the mean over places; of
    layouts how many objects there are of each class.
    """
    if task.schema is not None:
        classes = data.images_of(split, np.arange(len(data.references(split))))["layouts"].classes
        return one_hot(classes, task.schema.classes)[:, :, FIRST_CLASS:].sum(dim=1).float()
    photos = [data.image_path(split, row) for row in range(len(data.references(split)))]
    features = stored_features(task.net.encoder, photos, data.cache, split)
    blocks = torch.arange(len(photos)).split(BLOCK)
    return torch.cat([features[rows.numpy()].float().mean(dim=(2, 3)) for rows in blocks])


def nearest_rows(wanted: Tensor, known: Tensor) -> Tensor:
    """(N,) for each of ``wanted`` (N, D) the row of ``known`` (M, D) of the greatest cosine."""
    known = normalize(known)
    return torch.cat([(normalize(block) @ known.T).argmax(dim=1) for block in wanted.split(BLOCK)])


# Pictures


def require_pictures(task: Captioning, count: Any) -> None:
    """Raises UserError unless ``count`` images can be drawn."""
    if not isinstance(count, int) or count < 0:
        raise UserError(f"pictures={count}: give a number of images to draw")
    if count and task.net.decoder.attention is None:
        raise UserError("pictures: this model has no attention, so nobody knows where it looked")


@torch.no_grad()
def draw_captions(task: Captioning, data: CaptionModule, name: str, count: int, folder: Path) -> None:
    """``folder/NAME.captions/ROW_PHOTO.png`` of ``count`` images of a test set, evenly spread over it."""
    total = len(data.references(name))
    rows = torch.linspace(0, total - 1, min(count, total)).round().long().tolist()
    for row in rows:
        batch = split_batch(task, data, name, [row])
        picture = draw_caption(task, batch, task.caption(batch, keep_weights=True), 0)
        if picture is not None:  # a layout without objects has nothing to look at
            stem = Path(data.image_name(name, row)).stem
            save_picture(folder / f"{name}.captions" / f"{row:04d}_{stem}.png", picture)
