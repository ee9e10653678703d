"""BLEU of a corpus (Papineni et al. 2002), exactly as sacrebleu computes it."""

from collections.abc import Sequence

import torch
from sacrebleu.metrics import BLEU
from torch import Tensor
from torchmetrics import Metric


class CorpusBleu(Metric):
    """sacrebleu's corpus BLEU, 0 to 100, from ten integers summed over batches and ranks.

    tokenize: sacrebleu's name of a tokenizer: "13a" for plain text, "none" for tokenised text (which gives
    the score of multi-bleu.perl), "intl", "char", "zh" ... One reference per sentence. NaN if neither side
    has any words.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    counts: Tensor  # (4,) matching n-grams, by order
    totals: Tensor  # (4,) n-grams of the hypotheses, by order
    lengths: Tensor  # (2,) words of the hypotheses and of the references

    def __init__(self, tokenize: str = "13a", lowercase: bool = False) -> None:
        super().__init__()
        # `force` only silences the warning about tokenised text
        self.bleu = BLEU(tokenize=tokenize, lowercase=lowercase, force=True)
        for name, size in (("counts", 4), ("totals", 4), ("lengths", 2)):
            self.add_state(name, torch.zeros(size, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, hypotheses: Sequence[str], references: Sequence[str]) -> None:
        """Adds sentence pairs; an empty hypothesis still counts."""
        assert len(hypotheses) == len(references), "every hypothesis needs one reference"
        if not hypotheses:
            return
        score = self.bleu.corpus_score(hypotheses, [references])
        self.counts += self.counts.new_tensor(score.counts)
        self.totals += self.totals.new_tensor(score.totals)
        self.lengths += self.lengths.new_tensor([score.sys_len, score.ref_len])

    def compute(self) -> Tensor:
        if not self.lengths.any():
            return torch.tensor(torch.nan, dtype=torch.float64, device=self.counts.device)
        written, true = self.lengths.tolist()
        score = BLEU.compute_bleu(
            self.counts.tolist(), self.totals.tolist(), written, true, smooth_method="exp"
        )
        return torch.tensor(score.score, dtype=torch.float64, device=self.counts.device)

    def signature(self) -> str:
        """sacrebleu's signature to report with the score: version, tokenizer, case, smoothing."""
        self.bleu.corpus_score([""], [[""]])  # the number of references is set only by scoring
        return str(self.bleu.get_signature())
