"""The object decoder of Text2Scene, which chooses the next object (Tan et al. 2019, section 3.2)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2scene.nets.scene.batch_norm import BatchNorm
from seq2scene.sequences.memory import Memory


def norm(kind: bool, features: int) -> nn.Module:
    """Batch normalisation of maps, or the identity."""
    return BatchNorm(features) if kind else nn.Identity()


class SpatialPool(nn.Module):
    """Spatial attention pooling: u = sum over cells of softmax(conv(relu(conv(h)))) h."""

    def __init__(self, hidden_size: int, attention_size: int, batch_norm: bool) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Conv2d(hidden_size, attention_size, 3, padding=1),
            norm(batch_norm, attention_size),
            nn.ReLU(),
            nn.Conv2d(attention_size, 1, 3, padding=1),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """maps (N, H, y, x) -> (N, H)."""
        weights = self.score(maps).flatten(1).float().softmax(dim=1)  # (N, cells)
        return (maps.flatten(2) @ weights.to(maps.dtype).unsqueeze(2)).squeeze(2)


class ObjectDecoder(nn.Module):
    """Maps the state of the scene and the previous object to the logits of the next object.

    u = pooled h_t; the query [u; onehot(o_{t-1})] attends to the words, giving c; logits = MLP([query; c]).
    Without attention there is no c. inventory: the query also has the number of objects of each class placed
    so far, which the paper's model must read off the canvas.
    """

    def __init__(
        self,
        classes: int,
        hidden_size: int,
        memory_size: int,
        attention: nn.Module | None,
        attention_size: int = 256,
        classifier_size: int = 512,
        batch_norm: bool = True,
        dropout: float = 0.0,
        inventory: bool = False,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.inventory = inventory
        self.attention = attention
        self.pool = SpatialPool(hidden_size, attention_size, batch_norm)
        context_size = 0 if attention is None else memory_size
        self.classifier = nn.Sequential(
            nn.Linear(self.query_size(classes, hidden_size, inventory) + context_size, classifier_size),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.output = nn.Linear(classifier_size, classes)

    @staticmethod
    def query_size(classes: int, hidden_size: int, inventory: bool = False) -> int:
        return hidden_size + classes * (1 + inventory)

    def forward(
        self, pooled: Tensor, previous: Tensor, standing: Tensor, memory: Memory
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """pooled (N, H), the output of ``pool`` for h_t; previous (N,); standing (N, classes), the counts of
        objects placed so far; N = len(memory) * T, the steps or beams of a scene adjacent -> features (N,
        classifier_size), which ``output`` maps to logits, c (N, D) and attention (N, W), both None without
        attention.
        """
        parts = [pooled, F.one_hot(previous, self.classes), *([standing] if self.inventory else [])]
        query = torch.cat([part.to(pooled.dtype) for part in parts], dim=1)
        context = weights = None
        if self.attention is not None:
            context, weights = ask(self.attention, query, memory)
            query = torch.cat([query, context.to(query.dtype)], dim=1)
        return self.classifier(query), context, weights


def ask(attention: nn.Module, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
    """Query (N, Q), N = len(memory) * T -> context (N, D), weights (N, W)."""
    context, weights = attention(query.unflatten(0, (len(memory), -1)), memory)
    return context.flatten(0, 1), weights.flatten(0, 1)
