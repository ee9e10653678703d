"""Sentences as the encoder sums them up, and where they lie to each other (Sutskever et al. 2014, Figure 2:
near where they mean alike, whatever their voice, and far where the order of words changes what they mean).
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seq2scene.errors import UserError
from seq2scene.models.ensemble import Ensemble
from seq2scene.plotting.figures import save_picture
from seq2scene.plotting.sentence_map import draw_sentence_map
from seq2scene.sequences.lines import read_lines
from seq2scene.tasks.loading import require_translation
from seq2scene.tasks.nmt import NMT
from seq2scene.tasks.task import Task

BATCH = 128  # sentences


@dataclass(frozen=True)
class NamedSentence:
    """A sentence and what to call it in a picture, "" for the sentence itself."""

    text: str
    label: str


def read_sentences(path: str, task: Task) -> list[NamedSentence]:
    """The lines of a file, each a sentence and, after a tab, its label if it has one.

    Raises UserError if ``task`` has no vectors of sentences, or with the file if it has not two sentences.
    """
    require_translation(task, "sentence_vectors")
    if isinstance(task.net, Ensemble):
        raise UserError(
            "sentence_vectors: the states of several models have no plane in common; give one ckpt"
        )
    rows = [line.partition("\t") for line in read_lines(path)]
    if len(rows) < 2:
        raise UserError(f"{path} has {len(rows)} sentences; where they lie to each other takes 2 or more")
    return [NamedSentence(text, label.strip()) for text, _, label in rows]


@torch.inference_mode()
def sentence_vectors(task: NMT, sentences: Iterable[str]) -> Tensor:
    """(N, F) float32: the encoder's last state of each sentence, h and, of an LSTM, c of all layers and
    directions side by side; 4 * 1000 * 2 numbers in Sutskever et al.
    """
    sentences, parts = list(sentences), []
    for start in range(0, len(sentences), BATCH):
        source = task.source.batch(sentences[start : start + BATCH], bool(task.description["source_eos"]))
        memory = task.net.encode(source.to(task.device))
        parts.append(torch.cat([state.flatten(1) for state in memory.final], dim=1).float().cpu())
    return torch.cat(parts)


def principal_plane(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Principal component analysis: vectors (N, F), N and F at least 2, -> points (N, 2) in the plane of the
    greatest variance, and the shares (2,) of all variance that its axes hold.

    An axis points to where its largest weight is positive, so that equal vectors give equal pictures.
    """
    centred = vectors.double() - vectors.double().mean(dim=0)
    left, lengths, axes = torch.linalg.svd(centred, full_matrices=False)
    largest = axes[:2].abs().argmax(dim=1, keepdim=True)
    points = left[:, :2] * lengths[:2] * axes[:2].gather(1, largest).sign().squeeze(1)
    variance = lengths.square()
    return points, variance[:2] / variance.sum().clamp(min=torch.finfo(torch.float64).tiny)


def write_sentence_vectors(task: NMT, sentences: list[NamedSentence], folder: Path) -> None:
    """Into ``folder``: sentence_vectors.npz, the vectors with their sentences and labels;
    sentence_vectors.csv, where they lie in their principal plane and how many of their words the model does
    not know; sentence_vectors.png, a picture of that.
    """
    vectors = sentence_vectors(task, [one.text for one in sentences])
    texts, labels = [one.text for one in sentences], [one.label for one in sentences]
    points, shares = principal_plane(vectors)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "sentence_vectors.npz", vectors=vectors.numpy(), sentences=texts, labels=labels)
    with (folder / "sentence_vectors.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["line", "sentence", "label", "unknown", "x", "y"])
        for number, (one, (x, y)) in enumerate(zip(sentences, points.tolist(), strict=True), start=1):
            unknown = task.source.encode(one.text).count(task.source.vocabulary.unk)
            writer.writerow([number, one.text, one.label, unknown, f"{x:.6f}", f"{y:.6f}"])
    names = [one.label or one.text for one in sentences]
    picture = draw_sentence_map(points.numpy(), names, labels, shares.tolist())
    save_picture(folder / "sentence_vectors.png", picture)
