"""Attention of Luong, Pham and Manning, "Effective Approaches to Attention-based Neural Machine Translation"
(EMNLP 2015, section 3): a query attends to a memory and gets back a weighted mean of its states.

    weights_t(s) = softmax_s score(query_t, state_s)          eq. 7
    context_t    = sum_s weights_t(s) state_s

B sentences, T queries each (decoder steps, or the beams of one step), S memory positions, Q query features, D
memory features, K key features. Positions s follow the source's natural order, whichever way the encoder read
it.

An attention is built with ``(query_size, memory_size)``, projects the memory once with ``keys(states)`` and
is then called with ``(query, memory, steps)``: steps (B, T) int64 is the decoder step of each query, counted
from 0; only local-m uses it. Weights are exactly 0 on padding, and all 0 for an empty sentence.

    global    GlobalAttention by content, LocationAttention    section 3.1
    local     MonotonicAttention, PredictiveAttention          section 3.2
"""

from typing import Literal

import torch
from torch import Tensor, nn

from seq2scene.errors import UserError
from seq2scene.sequences.memory import Memory


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax of scores (B, T, S) over the positions where mask (B, S) or (B, T, S) is True, in float32 or
    wider.

    Exactly 0 elsewhere; a row with no such position is all 0.
    """
    mask = mask if mask.dim() == scores.dim() else mask.unsqueeze(1)
    scores = at_least_float32(scores)
    weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim=-1)
    return weights * mask


def at_least_float32(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))


class DotScore(nn.Module):
    """score = h . s. If the sizes differ, the query is first projected to the memory's size, without bias."""

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
    """score = v . tanh(W [h; s]), with the two halves of W stored separately so that the memory's is applied
    only once.

    The same formula as the additive score of Bahdanau et al. (2015), whose query is h_{t-1}.
    """

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


class LuongConcatScore(nn.Module):
    """score = v . tanh(s + W h): concat as Luong et al. ran it, with the half of W that acts on s fixed to
    the identity (their section 5.3, footnote). W and v have the memory's size, which in the paper is also the
    query's.
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_size, memory_size, bias=False)
        self.v = nn.Linear(memory_size, 1, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        return states

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        joined = self.query(query).unsqueeze(2) + keys.unsqueeze(1)  # (B, T, S, D)
        return self.v(joined.tanh()).squeeze(3)  # (B, T, S)


Score = Literal["dot", "general", "concat", "concat_luong"]
CONTENT_SCORES = {
    "dot": DotScore,
    "general": GeneralScore,
    "concat": ConcatScore,
    "concat_luong": LuongConcatScore,
}


def content_score(name: Score, query_size: int, memory_size: int) -> nn.Module:
    """The score module named ``name``."""
    return CONTENT_SCORES[name](query_size, memory_size)


class GlobalAttention(nn.Module):
    """Attention over all real positions, by content (section 3.1, eq. 7)."""

    def __init__(self, query_size: int, memory_size: int, score: Score = "general") -> None:
        super().__init__()
        self.score = content_score(score, query_size, memory_size)

    def keys(self, states: Tensor) -> Tensor:
        """The memory's states (B, S, D) as the score compares them, (B, S, K)."""
        return self.score.keys(states)

    def forward(self, query: Tensor, memory: Memory, steps: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Query (B, T, Q) -> context (B, T, D), weights (B, T, S)."""
        weights = masked_softmax(self.score(query, memory.keys), memory.mask)
        return weights.to(memory.states.dtype) @ memory.states, weights


class LocationAttention(nn.Module):
    """Attention computed from the query alone: softmax(W h) over positions (section 3.1, eq. 8).

    W has ``max_length`` rows; a sentence uses its first S of them, and words beyond ``max_length`` get no
    weight (the paper's footnote). Rows count positions in the source's natural order.
    """

    def __init__(self, query_size: int, memory_size: int, max_length: int = 50) -> None:
        super().__init__()
        self.positions = nn.Linear(query_size, max_length, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        return states

    def forward(self, query: Tensor, memory: Memory, steps: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Query (B, T, Q) -> context (B, T, D), weights (B, T, S)."""
        width = memory.mask.shape[1]
        scores = self.positions(query)[..., :width]  # (B, T, min(S, max_length))
        reach = scores.shape[2]
        weights = masked_softmax(scores, memory.mask[:, :reach])
        weights = nn.functional.pad(weights, (0, width - reach))
        return weights.to(memory.states.dtype) @ memory.states, weights


class LocalAttention(nn.Module):
    """Attention by content inside a window around a place p_t in the source (section 3.2).

    A subclass defines p_t and how scores become weights. half_width is the paper's D: the window has 2 D + 1
    positions, and those outside the sentence get no weight. implementation: ``mask`` scores the whole memory
    and masks everything outside the window; ``gather`` gathers the windows first and scores only those, which
    pays off when S is much larger than 2 D + 1, soonest for concat. Both give the same numbers.
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        score: Score = "general",
        half_width: int = 10,
        implementation: Literal["mask", "gather"] = "mask",
    ) -> None:
        super().__init__()
        if half_width < 1:
            raise UserError(f"attention.half_width={half_width} leaves no window; give 1 or more")
        self.score = content_score(score, query_size, memory_size)
        self.half_width = half_width
        self.implementation = implementation

    def place(self, query: Tensor, memory: Memory, steps: Tensor | None) -> Tensor:
        """p_t of each query, (B, T), with the first word at 0."""
        raise NotImplementedError

    def weigh(self, scores: Tensor, inside: Tensor, offset: Tensor) -> Tensor:
        """Weights of W candidates (B, T, W), from their scores, whether each is inside the window and the
        sentence, and its offset from p_t.
        """
        raise NotImplementedError

    def keys(self, states: Tensor) -> Tensor:
        """The memory's states (B, S, D) as the score compares them, (B, S, K)."""
        return self.score.keys(states)

    def forward(self, query: Tensor, memory: Memory, steps: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Query (B, T, Q), steps (B, T) -> context (B, T, D), weights (B, T, S)."""
        place = self.place(query, memory, steps)
        run = self._masked if self.implementation == "mask" else self._gathered
        return run(query, memory, place)

    def _masked(self, query: Tensor, memory: Memory, place: Tensor) -> tuple[Tensor, Tensor]:
        positions = torch.arange(memory.mask.shape[1], device=place.device)  # (S,)
        scores = self.score(query, memory.keys)
        weights = self._window_weights(scores, positions, memory.mask.unsqueeze(1), place)
        return weights.to(memory.states.dtype) @ memory.states, weights

    def _gathered(self, query: Tensor, memory: Memory, place: Tensor) -> tuple[Tensor, Tensor]:
        reach = torch.arange(-self.half_width, self.half_width + 1, device=place.device)
        positions = place.floor().long().unsqueeze(2) + reach  # (B, T, W)
        slots = positions.clamp(0, memory.mask.shape[1] - 1)  # any state will do outside the sentence
        first = torch.arange(len(memory), device=place.device).view(-1, 1, 1) * memory.mask.shape[1]
        # All sentences as one table: the gradient of an embedding is cheaper than that of indexing.
        keys, states = (
            nn.functional.embedding(first + slots, table.flatten(0, 1))  # (B, T, W, K or D)
            for table in (memory.keys, memory.states)
        )
        scores = self.score(query.flatten(0, 1).unsqueeze(1), keys.flatten(0, 1))  # a memory for each query
        real = memory.mask.gather(1, slots.flatten(1)).view(slots.shape) & (slots == positions)
        window = self._window_weights(scores.view(positions.shape), positions, real, place)
        context = (window.to(states.dtype).unsqueeze(2) @ states).squeeze(2)
        weights = window.new_zeros(*place.shape, memory.mask.shape[1]).scatter_add(2, slots, window)
        return context, weights

    def _window_weights(self, scores: Tensor, positions: Tensor, real: Tensor, place: Tensor) -> Tensor:
        """Weights (B, T, W) of the candidates at ``positions`` (W,) or (B, T, W). real, (B, 1, W) or (B, T,
        W): whether each is a word of the sentence.
        """
        place = place.unsqueeze(2)
        inside = ((positions - place.floor()).abs() <= self.half_width) & real
        return self.weigh(scores, inside, positions - place)


class MonotonicAttention(LocalAttention):
    """local-m: p_t = t, the step number, and the last word once t is beyond the source."""

    def place(self, query: Tensor, memory: Memory, steps: Tensor | None) -> Tensor:
        if steps is None:
            steps = torch.arange(query.shape[1], device=query.device)
        place = torch.minimum(steps, memory.lengths.unsqueeze(1) - 1)
        return place.float()  # ONNX cannot floor integers

    def weigh(self, scores: Tensor, inside: Tensor, offset: Tensor) -> Tensor:
        return masked_softmax(scores, inside)


class PredictiveAttention(LocalAttention):
    """local-p: p_t = S sigmoid(v_p . tanh(W_p h_t)) (eq. 9), where S is the number of words in the sentence,
    with weights that fall off around p_t (eq. 10):

        weights_t(s) = softmax inside the window of score(h_t, state_s) * exp(-(s - p_t)^2 / (2 sigma^2))

    W_p and v_p get their gradient through the Gaussian alone. The defaults are the paper's; the authors' code
    has first_position=0 and centre=floor.

    sigma: null for half_width / 2. centre: the window is [p_t - D, p_t + D] around the ``real`` p_t, or the
    2 D + 1 positions around its ``floor``. first_position: the s of the first word, 1 or 0. renormalise:
    make weights sum to 1, which the paper does not.
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        score: Score = "general",
        half_width: int = 10,
        implementation: Literal["mask", "gather"] = "mask",
        sigma: float | None = None,
        centre: Literal["real", "floor"] = "real",
        first_position: Literal[1, 0] = 1,
        renormalise: bool = False,
    ) -> None:
        super().__init__(query_size, memory_size, score, half_width, implementation)
        if sigma is not None and sigma <= 0:
            raise UserError(
                f"attention.sigma={sigma} is no width; give more than 0, or null for half_width / 2"
            )
        self.w_p = nn.Linear(query_size, query_size, bias=False)
        self.v_p = nn.Linear(query_size, 1, bias=False)
        self.sigma = half_width / 2 if sigma is None else sigma
        self.centre = centre
        self.first_position = first_position
        self.renormalise = renormalise

    def place(self, query: Tensor, memory: Memory, steps: Tensor | None) -> Tensor:
        predicted = at_least_float32(self.v_p(self.w_p(query).tanh()).squeeze(2))
        return memory.lengths.unsqueeze(1) * predicted.sigmoid() - self.first_position

    def weigh(self, scores: Tensor, inside: Tensor, offset: Tensor) -> Tensor:
        if self.centre == "real":
            inside = inside & (offset.abs() <= self.half_width)
        log_gauss = -((offset / self.sigma) ** 2) / 2
        if self.renormalise:
            return masked_softmax(scores + log_gauss, inside)
        return masked_softmax(scores, inside) * log_gauss.exp()


def no_attention(query_size: int, memory_size: int) -> None:
    """No attention (Sutskever et al. 2014): the decoder sees the source through its initial state alone."""
    return None
