"""Perplexity of a corpus, however it is split into batches and ranks."""

import torch
from torch import Tensor
from torchmetrics import Metric


class Perplexity(Metric):
    """exp of (summed negative log-likelihood / number of words), both summed over batches and ranks.

    Whether EOS counts as a word is up to the caller, e.g. one instance with it and one without. Sums are in
    float64, as a long corpus adds many small numbers to a large one. NaN if there are no words.
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    nll: Tensor
    words: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("nll", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("words", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, nll_sum: Tensor | float, count: Tensor | int) -> None:
        """Adds ``count`` words whose negative log-likelihoods, in nats, sum to ``nll_sum``."""
        self.nll += nll_sum
        self.words += count

    def compute(self) -> Tensor:
        return torch.exp(self.nll / self.words)
