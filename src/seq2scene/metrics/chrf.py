"""chrF and chrF++ of a corpus (Popović 2015, 2017), exactly as sacrebleu computes them."""

from collections.abc import Sequence

import torch
from sacrebleu.metrics import CHRF
from torch import Tensor
from torchmetrics import Metric


class CorpusChrf(Metric):
    """sacrebleu's corpus chrF, 0 to 100, from counts that add up over batches and ranks.

    word_order: 0 is chrF, 2 is chrF++. The library opens no public door to its counts, so two of its inner
    functions are called here; the tests hold the result against its public score. NaN where there was nothing
    on either side.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    statistics: Tensor  # (3 x orders,) n-grams of hypothesis, of reference, and of both, by order

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
        """What sacrebleu asks to be printed beside the score."""
        self.chrf.corpus_score([""], [[""]])  # it names the number of references only after a score
        return str(self.chrf.get_signature())
