"""Queries to a text: each attends to the words with several heads."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2scene.errors import UserError
from seq2scene.nets.scene.relational.pairs import Pairs
from seq2scene.scenes.statements import RELATIVE
from seq2scene.sequences.memory import Memory

RARE = -4.0  # the initial logit of a statement, as texts state few of all that could be


def require_heads(size: int, heads: int) -> None:
    """Raises UserError if ``size`` features are not divisible by the number of heads."""
    if size % heads:
        raise UserError(f"model.decoder.hidden_size={size} must be a multiple of model.decoder.heads={heads}")


@dataclass(frozen=True)
class HeadMemory:
    """The words of B texts, projected for H heads.

    states: (B, H, W, D / H), the values. keys: (B, H, W, K), compared with queries. mask: (B, W).
    """

    states: Tensor
    keys: Tensor
    mask: Tensor

    def __getitem__(self, index: Tensor) -> "HeadMemory":
        """Only the texts ``index`` (any,)."""
        return HeadMemory(self.states[index], self.keys[index], self.mask[index])


class TextReader(nn.Module):
    """Multi-head attention with any attention of ``seq2scene.attention``: the heads share its parameters and
    differ in the slice of the words and of the query that they see.

    attention: for queries and a memory of hidden_size / heads features.
    """

    def __init__(self, memory_size: int, hidden_size: int, heads: int, attention: nn.Module) -> None:
        super().__init__()
        self.heads = heads
        self.attention = attention
        self.words = nn.Sequential(nn.Linear(memory_size, hidden_size), nn.LayerNorm(hidden_size))
        self.values = nn.Linear(memory_size, hidden_size)  # values are projected separately from keys

    def memory(self, words: Tensor, mask: Tensor) -> HeadMemory:
        """Words (B, W, memory_size) and their mask (B, W), projected once."""
        compared, states = (
            part(words).unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (self.words, self.values)
        )  # (B, H, W, D / H)
        keys = self.attention.keys(compared.flatten(0, 1)).unflatten(0, compared.shape[:2])
        return HeadMemory(states, keys, mask)

    def forward(self, query: Tensor, memory: HeadMemory) -> tuple[Tensor, Tensor]:
        """Queries (B, Q, hidden_size) -> contexts (B, Q, hidden_size), concatenated over heads, and the mean
        of the heads' weights (B, Q, W) float32.
        """
        parts = query.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, H, Q, D / H)
        mask = memory.mask.repeat_interleave(self.heads, dim=0)
        folded = Memory(memory.states.flatten(0, 1), memory.keys.flatten(0, 1), mask, mask.sum(1), ())
        context, weights = self.attention(parts.flatten(0, 1) * parts.shape[3] ** -0.5, folded)
        context, weights = (one.unflatten(0, parts.shape[:2]) for one in (context, weights))
        return context.transpose(1, 2).flatten(2), weights.mean(1)


class Queries(nn.Module):
    """A query for each object class, (classes, hidden_size). Projected, as an embedding alone learns too
    slowly.
    """

    def __init__(self, classes: int, hidden_size: int) -> None:
        super().__init__()
        self.classes = nn.Embedding(classes, hidden_size)
        self.project = nn.Linear(hidden_size, hidden_size)

    def forward(self) -> Tensor:
        return self.project(self.classes.weight)


class ClassReadings(nn.Module):
    """What a text says about each object class: a query for each class attends to the words, once for all
    steps, and an MLP turns the result into what the decoder reads. Without attention every class reads the
    text's final state.
    """

    def __init__(
        self,
        classes: int,
        memory_size: int,
        text_size: int,
        hidden_size: int,
        heads: int,
        attention: nn.Module | None,
        dropout: float,
    ) -> None:
        super().__init__()
        self.queries = Queries(classes, hidden_size)
        self.reader = None if attention is None else TextReader(memory_size, hidden_size, heads, attention)
        read = text_size if attention is None else hidden_size
        self.answers = nn.Sequential(nn.Linear(read, hidden_size), nn.LayerNorm(hidden_size))
        self.after = nn.LayerNorm(hidden_size)
        self.mlp = nn.Sequential(
            nn.Linear(hidden_size, 2 * hidden_size),
            nn.GELU(),
            nn.Linear(2 * hidden_size, hidden_size),
            nn.Dropout(dropout),
        )

    def forward(self, words: Tensor, mask: Tensor, last: Tensor) -> tuple[Tensor, Tensor | None]:
        """Words (B, W, memory_size), their mask and the final state (B, text_size) -> readings (B, classes,
        hidden_size) and the attention of each class (B, classes, W), or None.
        """
        queries, weights, context = self.queries(), None, last.unsqueeze(1)
        if self.reader is not None:
            asked = queries.expand(len(words), -1, -1)
            context, weights = self.reader(asked, self.reader.memory(words, mask))
        answers = self.answers(context)
        return self.after(answers + self.mlp(answers + queries)), weights


class PairReadings(nn.Module):
    """What a text says about an object and an anchor: read twice, with the object as the subject and with it
    as the object of what is stated, by the same queries. From each reading follow the logits of
    ``statements``.
    """

    def __init__(
        self,
        classes: int,
        memory_size: int,
        hidden_size: int,
        heads: int,
        attention: nn.Module,
        statements: int,
    ) -> None:
        super().__init__()
        self.subjects, self.objects = (Queries(classes, hidden_size) for _ in range(2))
        self.reader = TextReader(memory_size, hidden_size, heads, attention)
        self.norm = nn.LayerNorm(hidden_size)
        self.answers = nn.Sequential(
            nn.Linear(hidden_size, hidden_size), nn.GELU(), nn.Linear(hidden_size, hidden_size), nn.GELU()
        )
        self.stated = nn.Linear(hidden_size, statements)
        nn.init.constant_(self.stated.bias, RARE)

    def forward(
        self, chosen: Tensor, anchors: Tensor, memory: HeadMemory, pairs: Pairs
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Chosen classes (N, T) and anchor classes (N, S), N = B * beams -> for each pair, what is read (P,
        2, hidden_size) and the logits of what is stated (P, 2, statements); and the attention of each (N, T,
        S, W), the mean of the two readings, 0 where no scene has the pair.
        """
        subjects, objects = self.subjects(), self.objects()
        steps, places, which = pairs.anywhere()
        chosen, anchors = chosen[:, steps], anchors[:, places]  # (N, K)
        forth = F.embedding(chosen, subjects) + F.embedding(anchors, objects)
        back = F.embedding(chosen, objects) + F.embedding(anchors, subjects)
        queries = torch.stack([forth, back], dim=2)  # (N, K, 2, hidden_size)
        found = self.reader(queries.reshape(len(memory.mask), -1, queries.shape[3]), memory)
        contexts, weights = (one.reshape(*queries.shape[:3], -1) for one in found)
        answers = self.answers(self.norm(contexts[pairs.rows, which]))
        looked = weights.new_zeros(*pairs.seen.shape, weights.shape[3])
        looked[:, steps, places] = weights.mean(2)
        return answers, self.stated(answers), looked


def probability_related(stated: Tensor | None) -> Tensor | None:
    """(P,) the probability of the most probable relation between the two of each pair, of their logits (P, 2,
    statements); None for None. Detached, so that places cannot change what is stated.
    """
    return None if stated is None else stated.detach()[:, :, : len(RELATIVE)].flatten(1).amax(1).sigmoid()
