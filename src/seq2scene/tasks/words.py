"""What tasks that write words share: the likelihood of given ones, and what a loss is divided by."""

from typing import Any

import torch
from torch import Tensor, nn

from seq2scene.errors import UserError
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.vocabulary import Vocabulary
from seq2scene.tasks.task import Loss

ROWS = 1024  # of logits (rows, V) that exist at a time while targets are scored


def per_sentence(loss: dict[str, Any]) -> bool:
    """Whether ``loss.per`` is sentence; raises UserError where it is not token either."""
    if loss["per"] not in ("token", "sentence"):
        raise UserError(f"loss.per={loss['per']} is not a choice; choose one of token, sentence")
    return loss["per"] == "sentence"


def loss_of_words(total: Tensor, nll: Tensor, mask: Tensor, per_sentence: bool) -> Loss:
    """The loss of the real positions of ``mask`` (B, T), divided by their number, or by that of sentences."""
    count = mask.sum()
    normaliser = count.new_tensor(len(mask)) if per_sentence else count
    return Loss(total, nll, count, normaliser.to(nll.dtype))


def special_ids(vocabulary: Vocabulary) -> dict[str, int]:
    """The ids that a search must know."""
    return {"bos": vocabulary.bos, "eos": vocabulary.eos, "pad": vocabulary.pad, "unk": vocabulary.unk}


def gold_log_probs(features: Tensor, gold: Sentences, output: nn.Linear) -> Tensor:
    """log p (B, T) float32 of each gold word and EOS, 0 on padding, from features (B, T, F)."""
    rows = zip(features[gold.mask].split(ROWS), gold.ids[gold.mask].split(ROWS), strict=True)
    parts = [output(x).log_softmax(1, torch.float32).gather(1, y.unsqueeze(1)) for x, y in rows]
    log_probs = torch.zeros_like(gold.ids, dtype=torch.float32)
    log_probs[gold.mask] = torch.cat(parts).squeeze(1)
    return log_probs
