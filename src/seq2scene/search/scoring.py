"""How beam search ranks hypotheses of unequal length: score = log P(Y|X) / lp(Y) + cp(X; Y).

Wu et al. 2016, "Google's Neural Machine Translation System", equation 14.
"""

import torch
from torch import Tensor


def length_penalty(lengths: Tensor | int, normalisation: str, alpha: float) -> Tensor | float:
    """lp of hypotheses that are ``lengths`` (any shape) long, EOS included.

    none: 1. average: length^alpha, so that alpha 1 ranks by the mean log-probability. gnmt: ((5 + length) /
    6)^alpha.
    """
    if normalisation == "none":
        return 1.0
    if normalisation == "average":
        return lengths ** float(alpha)  # an integer power would overflow
    assert normalisation == "gnmt"
    return ((5 + lengths) / 6) ** float(alpha)


def coverage_penalty(coverage: Tensor, mask: Tensor, beta: float) -> Tensor:
    """cp = beta * sum_i log(min(coverage_i, 1)) over real source positions: (..., S) -> (...), at most 0.

    ``coverage`` is the attention that each source position received over all steps, that of EOS included. A
    position that received none counts as the smallest normal number, so that the score stays finite.
    """
    received = coverage.clamp(torch.finfo(coverage.dtype).tiny, 1.0).log()
    return beta * received.masked_fill(~mask, 0.0).sum(-1)
