"""BLEU of a corpus (Papineni et al. 2002), exactly as sacrebleu computes it."""

import re
from collections.abc import Sequence
from typing import Any

import torch
from sacrebleu.metrics import BLEU
from torch import Tensor
from torchmetrics import Metric

# sacrebleu's tokenizers of languages that do not separate words by spaces, by their codes
SPACELESS = {"zh": "zh", **dict.fromkeys(("ja", "th", "km", "lo", "my"), "char")}
SPACED = "13a"  # of all others


def bleu_tokenizer(language: str) -> str:
    """sacrebleu's name of the tokenizer for plain text in a language, by its code: ``zh``, also ``zh-CN``."""
    return SPACELESS.get(re.split("[-_]", language.lower())[0], SPACED)


def bleu_options(signature: str) -> dict[str, Any]:
    """The ``tokenize`` and ``lowercase`` of the BLEU that has this signature; without one, the defaults."""
    tokenize = re.search(r"\btok:([^|]+)", signature)
    return {"tokenize": tokenize[1] if tokenize else SPACED, "lowercase": "case:lc" in signature}


class CorpusBleu(Metric):
    """sacrebleu's corpus BLEU, 0 to 100, from ten integers summed over batches and ranks.

    tokenize: sacrebleu's name of a tokenizer: ``bleu_tokenizer`` says which for plain text; "none" is for
    tokenised text (which gives the score of multi-bleu.perl). One reference per sentence. NaN if neither side
    has any words.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    counts: Tensor  # (4,) matching n-grams, by order
    totals: Tensor  # (4,) n-grams of the hypotheses, by order
    lengths: Tensor  # (2,) words of the hypotheses and of the references

    def __init__(self, tokenize: str = SPACED, lowercase: bool = False) -> None:
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

    def words(self, text: str) -> str:
        """A text as the tokens, between spaces, that n-grams are counted of."""
        return self.bleu.tokenizer(text)

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
