"""The text encoder of scenes: sentences are encoded separately and joined into one memory (Tan et al. 2019,
section 3.1).
"""

import torch
from torch import Tensor, nn

from seq2scene.nets.text.encoders import Cell, RecurrentEncoder
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.padding import lengths_to_mask


class SceneTextEncoder(nn.Module):
    """Encodes each sentence of a scene from a zero state; a word is represented by [its state; its
    embedding].

    sentences: the number per scene; their final states are averaged, empty ones excepted. word_vectors: (V,
    embedding_size) to initialise the embedding; frozen: these are not trained. If None, the embedding is
    initialised from U[-embedding_range, embedding_range], or from N(0, 1) if that is None too. dropout: on
    the input embeddings and on the outputs for words. Other arguments as for ``RecurrentEncoder``; the paper
    has one bidirectional GRU layer of 2 x 256.
    """

    def __init__(
        self,
        vocabulary_size: int,
        padding: int,
        sentences: int,
        word_vectors: Tensor | None = None,
        embedding_size: int = 300,
        hidden_size: int = 256,
        layers: int = 1,
        cell: Cell = "gru",
        bidirectional: bool = True,
        dropout: float = 0.0,
        frozen: bool = False,
        embedding_range: float | None = None,
    ) -> None:
        super().__init__()
        if word_vectors is not None:
            embedding_size = word_vectors.shape[1]
        self.words = RecurrentEncoder(
            vocabulary_size, padding, embedding_size, hidden_size, layers, cell, bidirectional, dropout
        )
        for name, weight in self.words.rnn.named_parameters():
            nn.init.xavier_uniform_(weight) if "weight" in name else nn.init.zeros_(weight)
        embedding = self.words.embedding.weight.data
        if word_vectors is not None:
            embedding.copy_(word_vectors)
        elif embedding_range is not None:
            nn.init.uniform_(embedding, -embedding_range, embedding_range)
            embedding[padding] = 0
        self.words.embedding.weight.requires_grad_(not frozen)
        self.sentences = sentences

    @property
    def output_size(self) -> int:
        """Features of a word."""
        return self.words.output_size + self.words.embedding.embedding_dim

    @property
    def state_size(self) -> int:
        """Features of the text as a whole."""
        return self.words.output_size

    def forward(self, texts: Sentences) -> tuple[Tensor, Tensor, Tensor]:
        """B * S sentences, those of a scene adjacent -> words (B, W, output_size), zero on padding, their
        mask (B, W), real words first and in order, and the final state (B, state_size).
        """
        states, final = self.words(texts)
        vectors = self.words.embedding(texts.ids) * texts.mask.unsqueeze(2)
        words = self.words.dropout(torch.cat([states, vectors.to(states.dtype)], dim=2))
        words = words.unflatten(0, (-1, self.sentences)).flatten(1, 2)  # (B, S * T, output_size)
        mask = texts.mask.unflatten(0, (-1, self.sentences)).flatten(1, 2)
        lengths = texts.lengths.view(-1, self.sentences).sum(1)
        width = max(int(lengths.max()), 1)
        order = mask.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :width]
        words = words.gather(1, order.unsqueeze(2).expand(-1, -1, words.shape[2]))
        told = texts.mask.any(1).view(-1, self.sentences).sum(1, keepdim=True).clamp(min=1)
        last = final[0][:, -1].unflatten(0, (-1, self.sentences)).sum(1) / told
        return words, lengths_to_mask(lengths.to(words.device), width), last
