"""Shared by tasks that write text: the options of their loss, its normalisation, and a column of scores."""

from typing import Any

import torch
from torch import Tensor

from seq2scene.errors import UserError
from seq2scene.tasks.task import Column, Loss

LENGTH = Column("length_ratio", "length", 3)  # words written for each word of the references


def per_sentence(loss: dict[str, Any]) -> bool:
    """Whether ``loss.per`` is sentence; raises UserError if it is neither sentence nor token."""
    if loss["per"] not in ("token", "sentence"):
        raise UserError(f"loss.per={loss['per']} is not a choice; choose one of token, sentence")
    return loss["per"] == "sentence"


def loss_of_words(total: Tensor, nll: Tensor, mask: Tensor, per_sentence: bool) -> Loss:
    """The loss over the real positions of ``mask`` (B, T), normalised by their number or by that of
    sentences.
    """
    count = mask.sum()
    normaliser = torch.full_like(count, len(mask)) if per_sentence else count
    return Loss(total, nll, count, normaliser.to(nll.dtype))
