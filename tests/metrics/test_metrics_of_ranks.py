import multiprocessing

import pytest
import torch.distributed
from torchmetrics import Metric

from seq2scene.metrics.bleu import CorpusBleu
from seq2scene.metrics.chrf import CorpusChrf
from seq2scene.metrics.perplexity import Perplexity

REFERENCES = ["Ein Hund läuft über die Wiese.", "Zwei Kinder spielen im Garten.", "Die Frau trägt einen Hut."]
HYPOTHESES = ["Ein Hund läuft auf der Wiese.", "Zwei Kinder lachen im Garten.", "Die Frau trägt Rot."]
SHARES = [slice(0, 1), slice(1, 3)]


def metrics_of(share: slice) -> list[Metric]:
    bleu, chrf, perplexity = CorpusBleu(), CorpusChrf(), Perplexity()
    bleu.update(HYPOTHESES[share], REFERENCES[share])
    chrf.update(HYPOTHESES[share], REFERENCES[share])
    for words, reference in enumerate(REFERENCES[share], start=share.start + 1):
        perplexity.update(float(len(reference)), 10 * words)
    return [bleu, chrf, perplexity]


def run_rank(rank: int, meeting: str, results: multiprocessing.Queue) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    results.put([metric.compute().item() for metric in metrics_of(SHARES[rank])])
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def test_two_ranks_with_unequal_shares_compute_what_one_does(tmp_path):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    ranks = [
        context.Process(target=run_rank, args=(rank, str(tmp_path / "meeting"), results)) for rank in (0, 1)
    ]
    for rank in ranks:
        rank.start()
    scores = [results.get(timeout=60) for _ in ranks]
    for rank in ranks:
        rank.join(timeout=60)
    alone = [metric.compute().item() for metric in metrics_of(slice(0, 3))]
    assert scores == [pytest.approx(alone, abs=1e-9)] * 2
