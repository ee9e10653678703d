"""chrF and chrF++ of a corpus (Popović 2015, 2017), exactly as sacrebleu computes them."""

from collections.abc import Sequence

import torch
from sacrebleu.metrics import CHRF
from torch import Tensor
from torchmetrics import Metric


class CorpusChrf(Metric):
    """sacrebleu's corpus chrF, 0 to 100, from counts summed over batches and ranks.

    word_order: 0 is chrF, 2 is chrF++. The library has no public access to its counts, so two of its private
    functions are called here; the tests compare the result with its public score. NaN if both sides are
    empty.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    statistics: Tensor  # (3 x orders,) n-grams of hypothesis, reference and both, by order

    def __init__(self, word_order: int = 0, lowercase: bool = False) -> None:
        super().__init__()
        self.chrf = CHRF(word_order=word_order, lowercase=lowercase)
        self.add_state(
            "statistics", torch.zeros(3 * self.chrf.order, dtype=torch.int64), dist_reduce_fx="sum"
        )

    def update(self, hypotheses: Sequence[str], references: Sequence[str]) -> None:
        """Adds sentence pairs."""
        assert len(hypotheses) == len(references), "every hypothesis needs one reference"
        if hypotheses:
            rows = self.chrf._extract_corpus_statistics(hypotheses, [references])
            self.statistics += self.statistics.new_tensor(rows).sum(dim=0)

    def compute(self) -> Tensor:
        score = self.chrf._compute_f_score(self.statistics.tolist()) if self.statistics.any() else torch.nan
        return torch.tensor(score, dtype=torch.float64, device=self.statistics.device)

    def signature(self) -> str:
        """sacrebleu's signature to report with the score."""
        self.chrf.corpus_score([""], [[""]])  # the number of references is set only by scoring
        return str(self.chrf.get_signature())
