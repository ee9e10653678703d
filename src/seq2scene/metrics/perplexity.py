"""Perplexity of a corpus, right however the corpus is cut into batches and ranks."""

import torch
from torch import Tensor
from torchmetrics import Metric


class Perplexity(Metric):
    """exp of (summed negative log-likelihood / number of words), both summed over batches and ranks.

    Whether EOS is one of the words is the caller's: feed one instance with it and another without. The sums
    are in float64, since a long corpus adds many small numbers to a large one. Before any word: NaN.
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
