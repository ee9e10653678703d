"""Alignment error rate (Och and Ney 2003), of links A against sure links S and possible links P, with S a
subset of P.

AER = 1 - (|A & S| + |A & P|) / (|A| + |S|)
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import torch
from torch import Tensor
from torchmetrics import Metric

from seq2scene.sequences.alignments import GoldAlignment, Link


class AlignmentError(Metric):
    """AER, precision |A & P| / |A| and recall |A & S| / |S| of a corpus, each 0 to 1, from four counts summed
    over batches and ranks.

    ``compute`` returns them as aer, precision and recall; NaN if nothing was counted.
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    counts: Tensor  # (4,) |A|, |S|, |A & S|, |A & P|

    def __init__(self) -> None:
        super().__init__()
        self.add_state("counts", torch.zeros(4, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, alignments: Sequence[AbstractSet[Link]], gold: Sequence[GoldAlignment]) -> None:
        """Adds sentences: the predicted and the gold links of each."""
        assert len(alignments) == len(gold), "every alignment needs a gold one"
        if gold:
            rows = [count_links(links, right) for links, right in zip(alignments, gold, strict=True)]
            self.counts += self.counts.new_tensor(rows).sum(dim=0)

    def compute(self) -> dict[str, Tensor]:
        found, sure, sure_found, possible_found = self.counts.double()
        return {
            "aer": 1 - (sure_found + possible_found) / (found + sure),
            "precision": possible_found / found,
            "recall": sure_found / sure,
        }


def count_links(links: AbstractSet[Link], gold: GoldAlignment) -> tuple[int, int, int, int]:
    """|A|, |S|, |A & S| and |A & P| of one sentence."""
    return len(links), len(gold.sure), len(links & gold.sure), len(links & gold.possible)
