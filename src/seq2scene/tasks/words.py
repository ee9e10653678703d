"""What tasks that write words share: the likelihood of given ones, and what a loss is divided by."""

from typing import Any

import torch
from torch import Tensor, nn

from seq2scene.errors import UserError
from seq2scene.sequences.batch import Sentences

ROWS = 1024  # of logits (rows, V) that exist at a time while targets are scored


def per_sentence(loss: dict[str, Any]) -> bool:
    """Whether ``loss.per`` is sentence; raises UserError where it is not token either."""
    if loss["per"] not in ("token", "sentence"):
        raise UserError(f"loss.per={loss['per']} is not a choice; choose one of token, sentence")
    return loss["per"] == "sentence"


def gold_log_probs(features: Tensor, gold: Sentences, output: nn.Linear) -> Tensor:
    """log p (B, T) float32 of each gold word and EOS, 0 on padding, from features (B, T, F)."""
    rows = zip(features[gold.mask].split(ROWS), gold.ids[gold.mask].split(ROWS), strict=True)
    parts = [output(x).log_softmax(1, torch.float32).gather(1, y.unsqueeze(1)) for x, y in rows]
    log_probs = torch.zeros_like(gold.ids, dtype=torch.float32)
    log_probs[gold.mask] = torch.cat(parts).squeeze(1)
    return log_probs
