"""From a decoder's features to the logits of its vocabulary."""

from torch import nn

from seq2scene.errors import UserError


def vocabulary_projection(embedding: nn.Embedding, features: int, tied: bool, bias: bool) -> nn.Linear:
    """W_s: features to as many logits as ``embedding`` has words; tied: with the embedding's own weights
    (Press and Wolf 2017).

    Raises UserError where tied sizes differ.
    """
    words, size = embedding.weight.shape
    if tied and size != features:
        raise UserError(f"decoder.tied=true needs embedding_size ({size}) and hidden_size ({features}) equal")
    projection = nn.Linear(features, words, bias=bias)
    if tied:
        projection.weight = embedding.weight
    return projection
