"""Output projections from a decoder's features to logits over its vocabulary."""

from torch import nn

from seq2scene.errors import UserError


def vocabulary_projection(embedding: nn.Embedding, features: int, tied: bool, bias: bool) -> nn.Linear:
    """W_s: from features to one logit per word of ``embedding``; tied: with the embedding's weights (Press
    and Wolf 2017).

    Raises UserError if tied sizes differ.
    """
    words, size = embedding.weight.shape
    if tied and size != features:
        raise UserError(f"decoder.tied=true needs embedding_size ({size}) and hidden_size ({features}) equal")
    projection = nn.Linear(features, words, bias=bias)
    if tied:
        projection.weight = embedding.weight
    return projection
