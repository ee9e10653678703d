"""Captions that need no model: the most frequent one, and those of similar training images."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from seq2scene.data.captions.caption_module import CaptionModule
from seq2scene.data.features import stored_features
from seq2scene.metrics.caption_words import caption_words
from seq2scene.reports.captioning.captions import caption_scores
from seq2scene.reports.report import Report, ScoredSet
from seq2scene.scenes.objects import FIRST_CLASS
from seq2scene.tasks.captioning import Captioning

BLOCK = 512  # photos whose features are in memory together


class CaptionBaselines(Report):
    """Adds the scores, on all images of a test set, of ``most_frequent_caption``, the training caption that
    most people wrote, and of ``nearest_image``, the first caption of the most similar training image
    (``summaries``).
    """

    name = "caption_baselines"
    tasks = (Captioning,)
    comparisons = (("most_frequent_caption", "frequent"), ("nearest_image", "nearest"))

    def __init__(self) -> None:
        self._known: Tensor | None = None  # the training images

    def score(self, test: ScoredSet) -> None:
        task, data = test.task, test.data
        training, references = data.references("train"), data.references(test.name)
        if self._known is None:
            self._known = summaries(task, data, "train")
        nearest = nearest_rows(summaries(task, data, test.name), self._known)
        captions = {
            "most_frequent_caption": [most_frequent_caption(training)] * len(references),
            "nearest_image": [training[row][0] for row in nearest.tolist()],
        }
        for kind, texts in captions.items():
            test.scores[kind] = caption_scores(task, texts, references)


def most_frequent_caption(references: Sequence[Sequence[str]]) -> str:
    """The most frequent caption, without capitals and punctuation as metrics read it; of ties the first."""
    counts = Counter(" ".join(caption_words(text)) for texts in references for text in texts)
    return counts.most_common(1)[0][0]


def summaries(task: Captioning, data: CaptionModule, split: str) -> Tensor:
    """(images, D) a vector for each image: for photos the image encoder's features, averaged over locations;
    for layouts the number of objects of each class.
    """
    if task.schema is not None:
        classes = data.images_of(split, np.arange(len(data.references(split))))["layouts"].classes
        return one_hot(classes, task.schema.classes)[:, :, FIRST_CLASS:].sum(dim=1).float()
    photos = [data.image_path(split, row) for row in range(len(data.references(split)))]
    features = stored_features(task.model.photo_encoder(), photos, data.cache, split)
    blocks = torch.arange(len(photos)).split(BLOCK)
    return torch.cat([features[rows.numpy()].float().mean(dim=(2, 3)) for rows in blocks])


def nearest_rows(wanted: Tensor, known: Tensor) -> Tensor:
    """(N,) for each of ``wanted`` (N, D) the row of ``known`` (M, D) with the greatest cosine."""
    known = normalize(known)
    return torch.cat([(normalize(block) @ known.T).argmax(dim=1) for block in wanted.split(BLOCK)])
