"""Sentences as vectors, the encoder's last states, and their principal plane. In Figure 2 of Sutskever et al.
2014 sentences of one meaning lie close together, whatever their voice, and reordered words set them apart.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seq2scene.errors import UserError
from seq2scene.models.ensemble import Ensemble
from seq2scene.plotting.figures import save_picture
from seq2scene.plotting.sentence_map import draw_sentence_map
from seq2scene.reports.report import Evaluation, Report
from seq2scene.sequences.lines import read_lines
from seq2scene.tasks.nmt import NMT


class SentenceVectors(Report):
    """sentence_vectors.npz, .csv and .png: the vectors of some sentences and a plane of them.

    sentences: a file of them, one per line, each with a label after a tab if it shall have one.
    """

    name = "sentence_vectors"
    tasks = (NMT,)

    def __init__(self, sentences: str) -> None:
        self.sentences = sentences
        self._read: list[NamedSentence] = []

    def check(self, task: NMT) -> None:
        super().check(task)
        self._read = read_sentences(self.sentences, task)

    def finish(self, evaluation: Evaluation, folder: Path) -> None:
        if evaluation.rank == 0:
            write_sentence_vectors(evaluation.task.to(evaluation.device), self._read, folder)


@dataclass(frozen=True)
class NamedSentence:
    """A sentence and its label in pictures, "" for the sentence itself."""

    text: str
    label: str


def read_sentences(path: str, task: NMT) -> list[NamedSentence]:
    """The lines of a file, each a sentence with, after a tab, an optional label.

    Raises:
        UserError: ``task`` is an ensemble, or the file, which is named, has fewer than two sentences.
    """
    if isinstance(task.model, Ensemble):
        raise UserError(
            "sentence_vectors: the states of several models have no plane in common; give one ckpt"
        )
    rows = [line.partition("\t") for line in read_lines(path)]
    if len(rows) < 2:
        raise UserError(f"{path} has {len(rows)} sentences; where they lie to each other takes 2 or more")
    return [NamedSentence(text, label.strip()) for text, _, label in rows]


def principal_plane(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Principal component analysis: vectors (N, F), N and F at least 2, -> points (N, 2) in the plane of the
    greatest variance, and the shares (2,) of the total variance along its axes.

    An axis points to where its largest weight is positive, so that equal vectors give equal pictures.
    """
    centred = vectors.double() - vectors.double().mean(dim=0)
    left, lengths, axes = torch.linalg.svd(centred, full_matrices=False)
    largest = axes[:2].abs().argmax(dim=1, keepdim=True)
    points = left[:, :2] * lengths[:2] * axes[:2].gather(1, largest).sign().squeeze(1)
    variance = lengths.square()
    return points, variance[:2] / variance.sum().clamp(min=torch.finfo(torch.float64).tiny)


def write_sentence_vectors(task: NMT, sentences: list[NamedSentence], folder: Path) -> None:
    """Writes into ``folder`` sentence_vectors.npz, the vectors with their sentences and labels;
    sentence_vectors.csv, their places in the principal plane and how many of their words the model does not
    know; and sentence_vectors.png, a picture of the plane.
    """
    texts, labels = [one.text for one in sentences], [one.label for one in sentences]
    vectors = task.model.sentence_vectors(texts)
    points, shares = principal_plane(torch.from_numpy(vectors))
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "sentence_vectors.npz", vectors=vectors, sentences=texts, labels=labels)
    with (folder / "sentence_vectors.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["line", "sentence", "label", "unknown", "x", "y"])
        for number, (one, (x, y)) in enumerate(zip(sentences, points.tolist(), strict=True), start=1):
            unknown = task.source.encode(one.text).count(task.source.vocabulary.unk)
            writer.writerow([number, one.text, one.label, unknown, f"{x:.6f}", f"{y:.6f}"])
    names = [one.label or one.text for one in sentences]
    picture = draw_sentence_map(points.numpy(), names, labels, shares.tolist())
    save_picture(folder / "sentence_vectors.png", picture)
