"""A Transformer layer over the objects of a scene, each seeing itself and those before it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Cache = tuple[Tensor, Tensor]  # keys and values (N, heads, S, features / heads) of the objects so far


class ObjectBlock(nn.Module):
    """Pre-norm self-attention and an MLP (Vaswani et al. 2017; Xiong et al. 2020)."""

    def __init__(self, hidden_size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_mlp = nn.LayerNorm(hidden_size), nn.LayerNorm(hidden_size)
        self.project = nn.Linear(hidden_size, 3 * hidden_size)
        self.output = nn.Linear(hidden_size, hidden_size)
        self.mlp = nn.Sequential(
            nn.Linear(hidden_size, 4 * hidden_size), nn.GELU(), nn.Linear(4 * hidden_size, hidden_size)
        )
        self.dropout = nn.Dropout(dropout)

    def empty(self, rows: int, like: Tensor) -> Cache:
        """The cache of ``rows`` scenes before their first object."""
        size = self.output.in_features // self.heads
        return like.new_zeros(rows, self.heads, 0, size), like.new_zeros(rows, self.heads, 0, size)

    def forward(self, x: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """All of x (N, T, features) at once, or one more object (N, 1, features) after those in the ``cache``
        -> features of the same shape, and the extended cache.
        """
        parts = self.project(self.before_attention(x)).unflatten(2, (3, self.heads, -1))
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)  # each (N, heads, T, features / heads)
        if cache is not None:
            keys, values = (torch.cat(two, dim=2) for two in zip(cache, (keys, values), strict=True))
        seen = F.scaled_dot_product_attention(queries, keys, values, is_causal=cache is None)
        x = x + self.dropout(self.output(seen.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.mlp(self.before_mlp(x))), (keys, values)
