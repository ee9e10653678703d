"""Greedy search: always the likeliest word."""

from dataclasses import dataclass

import torch
from torch import Tensor

from seq2scene.search.constraints import Constraints
from seq2scene.search.decoder import Decoder
from seq2scene.search.hypotheses import Hypotheses
from seq2scene.search.top import top
from seq2scene.search.walk import walk
from seq2scene.sequences.memory import Memory


@dataclass(frozen=True, kw_only=True)
class Greedy(Constraints):
    """Writes the likeliest allowed word at each step: one hypothesis, scored by its log-probability."""

    @torch.no_grad()
    def __call__(
        self,
        decoder: Decoder,
        memory: Memory,
        *,
        bos: int,
        eos: int,
        pad: int,
        unk: int,
        prefix: Tensor | None = None,
        keep_weights: bool = False,
    ) -> Hypotheses:
        """Searches for the B sentences of ``memory``. ``prefix``: (B, P) forced beginnings, right-padded."""
        rules = self.rules(memory, bos, eos, pad, unk, prefix)
        return walk(decoder, memory, rules, likeliest, bos=bos, pad=pad, keep_weights=keep_weights)


def likeliest(log_probs: Tensor, sentences: Tensor) -> tuple[Tensor, Tensor]:
    """The first of each row's top two, as a beam of size 1 takes it, so that ties fall alike."""
    values, tokens = top(log_probs, 2)
    return values[:, :1], tokens[:, :1]
