"""Small float64 translators of ten ids, 0 the padding, for tests of decoders, searches and ensembles; and a
small language model.
"""

import torch
from torch import nn

from seq2scene.attention import (
    GlobalAttention,
    LocationAttention,
    MonotonicAttention,
    PredictiveAttention,
    no_attention,
)
from seq2scene.models.language_model import LanguageModel
from seq2scene.models.translator import Translator
from seq2scene.nets.losses.linear_cross_entropy import linear_cross_entropy
from seq2scene.nets.text import language_model
from seq2scene.nets.text.decoders import LuongDecoder
from seq2scene.nets.text.encoders import RecurrentEncoder
from seq2scene.nets.text.gnmt_decoder import GNMTDecoder
from seq2scene.nets.text.initialisation import initialise_uniform
from seq2scene.search.stepwise import Greedy
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.language import Language
from seq2scene.sequences.padding import pad, shift_right
from seq2scene.sequences.tokenizers import Whitespace
from seq2scene.sequences.vocabulary import Vocabulary

LANGUAGE = Language(Whitespace(), Vocabulary.count([list("abcdef")]))
SOURCES = [[4, 5, 6, 7, 8], [9, 4], [], [5, 5, 9]]
TARGETS = [[5, 6, 3], [9, 8, 7, 6, 3], [4, 3], [3]]
ATTENTIONS = {
    "none": no_attention,
    "dot": lambda query, memory: GlobalAttention(query, memory, "dot"),
    "general": lambda query, memory: GlobalAttention(query, memory, "general"),
    "concat": lambda query, memory: GlobalAttention(query, memory, "concat"),
    "location": LocationAttention,
    "local_m": lambda query, memory: MonotonicAttention(query, memory, half_width=1),
    "local_p": lambda query, memory: PredictiveAttention(query, memory, half_width=1),
}
SHARED = ("cell", "layers", "bias")  # by both sides


def sentences(rows: list[list[int]], extra: int = 0) -> Sentences:
    """A padded batch, with ``extra`` columns of padding."""
    ids, lengths = pad([torch.tensor(row, dtype=torch.int64) for row in rows], 0)
    return Sentences.of(nn.functional.pad(ids, (0, max(extra, 1 - ids.shape[1]))), lengths)


def translator(
    decoder: type[LuongDecoder | GNMTDecoder],
    attention: str = "general",
    encoder: dict | None = None,
    seed: int = 0,
    **options,
) -> Translator:
    """A translator in evaluation mode, with parameters from U[-0.5, 0.5]. ``options`` are arguments of the
    decoder, ``encoder`` of the encoder, in addition to ``SHARED``.
    """
    torch.manual_seed(seed)
    shared = {name: options[name] for name in SHARED if name in options}
    encoder = RecurrentEncoder(10, 0, **{"embedding_size": 6, "hidden_size": 5, **shared, **(encoder or {})})
    options = {"embedding_size": 6, "hidden_size": 7, "layers": 1, "bridge": "linear", **options}
    attend = ATTENTIONS[attention](options["hidden_size"], encoder.output_size)
    writer = decoder(10, 0, encoder.output_size, encoder.rnn.num_layers, attend, **options)
    net = Translator(encoder, writer, LANGUAGE, LANGUAGE)
    initialise_uniform(net.double(), 0.5)
    return net.eval()


def small_language_model() -> LanguageModel:
    """An untrained language model of a, b and c."""
    torch.manual_seed(0)
    language = Language(Whitespace(), Vocabulary.count([list("abc")]))
    return LanguageModel(language_model.LanguageModel(7, 0, 4, 5), language, Greedy(max_length=6)).eval()


def loss(net: Translator, sources: list[list[int]], targets: list[list[int]], extra: int = 0) -> torch.Tensor:
    gold = sentences(targets, extra)
    features, _ = net(sentences(sources, extra), shift_right(gold.ids, 2))
    out = net.decoder.output
    return linear_cross_entropy(features[gold.mask], out.weight, out.bias, gold.ids[gold.mask])[0]


def gradients(net: Translator, value: torch.Tensor) -> dict[str, torch.Tensor]:
    """The gradient of every parameter; ``value`` must depend on all of them."""
    names = [name for name, _ in net.named_parameters()]
    return dict(zip(names, torch.autograd.grad(value, list(net.parameters())), strict=True))
