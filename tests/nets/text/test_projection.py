"""The projection to the vocabulary, with its own or the embedding's weights."""

import pytest
import torch
from torch import nn

from seq2scene.errors import UserError
from seq2scene.nets.text.projection import vocabulary_projection


def test_tied_logits_are_dot_products_with_the_words_embeddings() -> None:
    embedding = nn.Embedding(7, 4)
    projection = vocabulary_projection(embedding, 4, tied=True, bias=False)
    features = torch.randn(2, 3, 4)
    assert projection.weight is embedding.weight and projection.bias is None
    torch.testing.assert_close(projection(features), features @ embedding.weight.t())


def test_untied_it_has_weights_and_a_size_of_its_own() -> None:
    projection = vocabulary_projection(nn.Embedding(7, 4), 5, tied=False, bias=True)
    assert projection.weight.shape == (7, 5) and projection.bias.shape == (7,)


def test_tied_sizes_must_agree() -> None:
    with pytest.raises(UserError, match=r"tied=true needs embedding_size \(4\) and hidden_size \(5\) equal"):
        vocabulary_projection(nn.Embedding(7, 4), 5, tied=True, bias=True)
