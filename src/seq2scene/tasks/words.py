"""Shared by tasks that write text: the options of their loss and its normalisation."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from seq2scene.errors import UserError
from seq2scene.tasks.task import Loss


def per_sentence(loss: dict[str, Any]) -> bool:
    """Whether ``loss.per`` is sentence; raises UserError if it is neither sentence nor token."""
    if loss["per"] not in ("token", "sentence"):
        raise UserError(f"loss.per={loss['per']} is not a choice; choose one of token, sentence")
    return loss["per"] == "sentence"


def reward_metric(loss: Mapping[str, Any], good: Sequence[str]) -> str | None:
    """The metric of ``loss=self_critical``, by default the first of the ``good`` ones; None for another loss.

    Raises UserError if it is none of them.
    """
    if (settings := loss.get("self_critical")) is None:  # older configs do not have it
        return None
    metric = settings["metric"] or good[0]
    if metric not in good:
        raise UserError(
            f"loss.self_critical.metric={metric} is not a choice for this task; choose one of "
            f"{', '.join(good)}"
        )
    return metric


def loss_of_words(total: Tensor, nll: Tensor, mask: Tensor, per_sentence: bool) -> Loss:
    """The loss over the real positions of ``mask`` (B, T), normalised by their number or by that of
    sentences.
    """
    count = mask.sum()
    normaliser = count.new_tensor(len(mask)) if per_sentence else count
    return Loss(total, nll, count, normaliser.to(nll.dtype))
