import pytest
from torchmetrics import Metric

from rank_processes import in_ranks
from seq2scene.metrics.bleu import CorpusBleu
from seq2scene.metrics.chrf import CorpusChrf
from seq2scene.metrics.length_ratio import LengthRatio
from seq2scene.metrics.perplexity import Perplexity

REFERENCES = ["Ein Hund läuft über die Wiese.", "Zwei Kinder spielen im Garten.", "Die Frau trägt einen Hut."]
HYPOTHESES = ["Ein Hund läuft auf der Wiese.", "Zwei Kinder lachen im Garten.", "Die Frau trägt Rot."]
SHARES = [slice(0, 1), slice(1, 3)]


def metrics_of(share: slice) -> list[Metric]:
    bleu, chrf, perplexity, ratio = CorpusBleu(), CorpusChrf(), Perplexity(), LengthRatio()
    bleu.update(HYPOTHESES[share], REFERENCES[share])
    chrf.update(HYPOTHESES[share], REFERENCES[share])
    ratio.update(HYPOTHESES[share], [[reference] for reference in REFERENCES[share]])
    for words, reference in enumerate(REFERENCES[share], start=share.start + 1):
        perplexity.update(float(len(reference)), 10 * words)
    return [bleu, chrf, perplexity, ratio]


def scores_of_rank(rank: int) -> list[float]:
    return [metric.compute().item() for metric in metrics_of(SHARES[rank])]


@pytest.mark.slow
def test_two_ranks_with_unequal_shares_compute_what_one_does():
    alone = [metric.compute().item() for metric in metrics_of(slice(0, 3))]
    assert in_ranks(scores_of_rank) == [pytest.approx(alone, abs=1e-9)] * 2
