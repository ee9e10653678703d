"""An ensemble of scene writers, whose samples compete."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from seq2scene.errors import UserError
from seq2scene.models.scene import Written
from seq2scene.models.scene_writer import SceneWriter
from seq2scene.scenes.objects import Objects
from seq2scene.search.constraints import Constraints
from seq2scene.search.minimum_bayes_risk import MinimumBayesRisk
from seq2scene.sequences.batch import Sentences


class SceneEnsemble(SceneWriter):
    """Scene writers that share vocabulary and schema, with the search of the first. It must be
    ``search=mbr``: each member draws ``num_samples`` scenes, and those most like all others are kept, the
    minimum Bayes risk decision under the mixture of the members.
    """

    def __init__(self, members: Sequence[SceneWriter]) -> None:
        first = members[0]
        super().__init__(first.encoder, first.decoder, first.texts, first._search)
        self.config, self.description = first.config, first.description
        self.writers = nn.ModuleList(members)

    @property
    def members(self) -> Sequence[SceneWriter]:
        return tuple(self.writers)

    def encode(self, texts: Sentences) -> Any:
        raise UserError("several scene models have no memory in common; load one of them")

    def candidates(
        self, texts: Sentences, search: Constraints, given: Objects | None = None, **options: Any
    ) -> Written:
        if not isinstance(search, MinimumBayesRisk):
            raise UserError(
                "several scene models write together only with search=mbr, which chooses among the scenes "
                "of all"
            )
        return Written.together([one.candidates(texts, search, given, **options) for one in self.members])
