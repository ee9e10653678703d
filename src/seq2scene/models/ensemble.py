"""Translators that write one sentence together, word by word."""

from collections.abc import Sequence

from torch import nn

from seq2scene.models.translator import Translator
from seq2scene.search.ensemble import EnsembleDecoder, Memories
from seq2scene.sequences.batch import Sentences


class Ensemble(Translator):
    """Translators of one source and one target vocabulary as one, with the languages and the search of the
    first. average: how several distributions become one, see ``search.ensemble``.

    Raises UserError for an average that there is not.
    """

    def __init__(self, members: Sequence[Translator], average: str = "logits") -> None:
        decoder, first = EnsembleDecoder([one.decoder for one in members], average), members[0]
        super().__init__(None, decoder, first.source, first.target, first.source_eos, first.search)
        self.config, self.description = first.config, first.description
        self.members = nn.ModuleList(members)

    def encode(self, source: Sentences) -> Memories:
        """Every member's own memory of the source."""
        return Memories(tuple(one.encode(source) for one in self.members))
