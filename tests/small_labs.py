"""A page of small models with random but reproducible weights: three translators and a captioner."""

from pathlib import Path

import torch

from seq2scene.app.model_table import ModelTable, Offer
from seq2scene.models.captioner import Captioner
from seq2scene.models.model import Model
from seq2scene.models.translator import Translator
from seq2scene.nets.text.decoders import LuongDecoder
from seq2scene.nets.text.initialisation import initialise_uniform
from seq2scene.nets.vision.annotations import Annotations
from seq2scene.nets.vision.image_encoder import ImageEncoder
from seq2scene.search.stepwise import Greedy
from small_translators import ATTENTIONS, LANGUAGE, translator

KINDS = {"none": "no_attention", "general": "GlobalAttention", "local_p": "PredictiveAttention"}


def small_table() -> ModelTable:
    """Translators called none, general and local_p, after their attention, of the words a to f; and a
    captioner called captions.
    """
    models: dict[str, Model] = {name: _translator(name, kind) for name, kind in KINDS.items()}
    models["captions"] = small_captioner()
    offers = [Offer(name, Path(name), type(one), one.config, {}) for name, one in models.items()]
    table = ModelTable(offers)
    table.loaded.update(models)
    return table


def small_captioner() -> Captioner:
    """Of photos of 64 pixels, at 15 x 15 places; its captions have four words."""
    torch.manual_seed(0)
    encoder = ImageEncoder("squeezenet1_1", "features.3", "none", size=64)
    annotations = Annotations(encoder.output_size, 5)
    decoder = LuongDecoder(10, 0, 5, 1, ATTENTIONS["general"](7, 5), embedding_size=6, hidden_size=7)
    initialise_uniform(decoder, 0.5)
    return Captioner(encoder, annotations, decoder, LANGUAGE, search=_four_words()).eval()


def _translator(attention: str, kind: str) -> Translator:
    """With a search that writes four words."""
    net = translator(LuongDecoder, attention)
    net.config = {
        "attention": {"_target_": f"seq2scene.attention.{kind}", "score": "general", "half_width": 1},
        "data": {"source": "en", "target": "de"},
    }
    net.search = _four_words()
    return net


def _four_words() -> Greedy:
    return Greedy(max_ratio=0, max_extra=4, min_length=4)
