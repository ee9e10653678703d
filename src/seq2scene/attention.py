"""Attention of Luong, Pham and Manning, "Effective Approaches to Attention-based Neural Machine Translation"
(EMNLP 2015, section 3.1): a query asks a memory, and gets back the memory's weighted mean.

    weights_t(s) = softmax_s score(query_t, state_s)          eq. 7
    context_t    = sum_s weights_t(s) state_s

B sentences, T queries each (decoder steps, or the beams of one step), S memory positions, Q query features, D
memory features, K key features. Position s is the source's natural order, whichever way the encoder read it.

An attention is built with ``(query_size, memory_size)``, projects the memory once with ``keys(states)`` and
is then called with ``(query, memory)``. Weights are exactly 0 on padding, and all 0 where a sentence is
empty.
"""

import torch
from torch import Tensor, nn

from seq2scene.errors import UserError
from seq2scene.sequences.memory import Memory


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax of scores (B, T, S) over the positions where mask (B, S) or (B, T, S) is True, in float32 or
    wider.

    Exactly 0 elsewhere, and 0 everywhere in a row without any such position.
    """
    mask = mask if mask.dim() == scores.dim() else mask.unsqueeze(1)
    scores = scores if scores.dtype == torch.float64 else scores.float()
    weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim=-1)
    return weights * mask


class DotScore(nn.Module):
    """score = h . s. Where the sizes differ the query is first projected to the memory's size, without
    bias.
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        same = query_size == memory_size
        self.query = nn.Identity() if same else nn.Linear(query_size, memory_size, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        return states

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        return self.query(query) @ keys.transpose(1, 2)  # (B, T, S)


class GeneralScore(nn.Module):
    """score = h . W s."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.memory = nn.Linear(memory_size, query_size, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        return self.memory(states)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        return query @ keys.transpose(1, 2)  # (B, T, S)


class ConcatScore(nn.Module):
    """score = v . tanh(W [h; s]), the two halves of W kept apart so that the memory's is applied once."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_size, query_size, bias=False)
        self.memory = nn.Linear(memory_size, query_size, bias=False)
        self.v = nn.Linear(query_size, 1, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        return self.memory(states)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        joined = self.query(query).unsqueeze(2) + keys.unsqueeze(1)  # (B, T, S, K)
        return self.v(joined.tanh()).squeeze(3)  # (B, T, S)


CONTENT_SCORES = {"dot": DotScore, "general": GeneralScore, "concat": ConcatScore}


def content_score(name: str, query_size: int, memory_size: int) -> nn.Module:
    """The score called ``name``; raises UserError with the list of names."""
    if name not in CONTENT_SCORES:
        raise UserError(f"attention.score={name} is not a score; choose one of {', '.join(CONTENT_SCORES)}")
    return CONTENT_SCORES[name](query_size, memory_size)


class GlobalAttention(nn.Module):
    """Attention over all real positions, by content (section 3.1, eqs. 7 and 8)."""

    def __init__(self, query_size: int, memory_size: int, score: str = "general") -> None:
        super().__init__()
        self.score = content_score(score, query_size, memory_size)

    def keys(self, states: Tensor) -> Tensor:
        """The memory's states (B, S, D) as the score compares them, (B, S, K)."""
        return self.score.keys(states)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Query (B, T, Q) -> context (B, T, D), weights (B, T, S)."""
        weights = masked_softmax(self.score(query, memory.keys), memory.mask)
        return weights.to(memory.states.dtype) @ memory.states, weights


class LocationAttention(nn.Module):
    """Attention that looks at the query alone: softmax(W h) over positions (section 3.1, eq. 9).

    W has ``max_length`` rows; a sentence uses its first S of them, and words beyond ``max_length`` get no
    weight (the paper's footnote). Rows count positions in the source's natural order.
    """

    def __init__(self, query_size: int, memory_size: int, max_length: int = 50) -> None:
        super().__init__()
        self.positions = nn.Linear(query_size, max_length, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        return states

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Query (B, T, Q) -> context (B, T, D), weights (B, T, S)."""
        width = memory.mask.shape[1]
        scores = self.positions(query)[..., :width]  # (B, T, min(S, max_length))
        reach = scores.shape[2]
        weights = masked_softmax(scores, memory.mask[:, :reach])
        weights = nn.functional.pad(weights, (0, width - reach))
        return weights.to(memory.states.dtype) @ memory.states, weights


def no_attention(query_size: int, memory_size: int) -> None:
    """The choice not to attend (Sutskever et al. 2014): the decoder knows the source by its first state
    alone.
    """
    return None
