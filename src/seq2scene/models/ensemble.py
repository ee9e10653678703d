"""An ensemble of translators, averaged at each word."""

from collections.abc import Sequence

import numpy as np
from torch import nn

from seq2scene.errors import UserError
from seq2scene.models.translator import Translator
from seq2scene.search.ensemble import EnsembleDecoder, Memories
from seq2scene.sequences.batch import Sentences


class Ensemble(Translator):
    """Translators that share their vocabularies, combined into one, with the languages and the search of the
    first. average: how distributions are averaged, see ``search.ensemble``.

    Raises UserError for an unknown average.
    """

    def __init__(self, members: Sequence[Translator], average: str = "logits") -> None:
        decoder, first = EnsembleDecoder([one.decoder for one in members], average), members[0]
        super().__init__(None, decoder, first.source, first.target, first.source_eos, first._search)
        self.config, self.description = first.config, first.description
        self.members = nn.ModuleList(members)

    def encode(self, source: Sentences) -> Memories:  # type: ignore[override]  # read by its decoder alone
        """The memory of the source for each member."""
        return Memories(tuple(one.encode(source) for one in self.members))

    def sentence_vectors(self, text: str | Sequence[str]) -> np.ndarray:
        raise UserError("sentence_vectors: the states of several models have no space in common; load one")
