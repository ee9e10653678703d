"""Minimum Bayes risk decoding: of many samples, the one most like the others."""

from dataclasses import dataclass

from seq2scene.errors import UserError
from seq2scene.search.constraints import require_whole
from seq2scene.search.decoder import Decoder, PlacingDecoder
from seq2scene.search.hypotheses import Hypotheses
from seq2scene.search.stepwise import Sample


@dataclass(frozen=True, kw_only=True)
class MinimumBayesRisk(Sample):
    """Samples ``num_samples`` scenes and keeps the ``n_best`` with the highest expected score, best first
    (Kumar and Byrne 2004; Eikema and Aziz 2020): the samples also stand for the unknown true scene, and the
    expected score of one is its mean score against all others (``models.expected_scores``).

    Low temperatures make good candidates; at 0 all would be the same. For scenes only: a model of words
    refuses it.

    Raises UserError if a value is out of range, or for fewer than 2 samples.
    """

    temperature: float = 0.5
    place_temperature: float = 0.3
    num_samples: int = 32
    n_best: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole("num_samples", self.num_samples, 2)

    def require_objects(self, decoder: Decoder) -> None:
        super().require_objects(decoder)
        if not isinstance(decoder, PlacingDecoder):
            raise UserError("search=mbr: for scenes only; choose greedy, beam or sample")

    def _kept(self, found: Hypotheses) -> Hypotheses:
        return found  # ``SceneWriter.decode`` chooses among all
