import math

import pytest
import torch

from seq2scene.metrics.perplexity import Perplexity


def test_unequal_batches_weigh_by_their_words():
    torch.manual_seed(0)
    logits, gold = torch.randn(12, 7, dtype=torch.float64), torch.randint(7, (12,))
    nll = torch.nn.functional.cross_entropy(logits, gold, reduction="none")
    perplexity = Perplexity()
    for part in nll.split([1, 9, 2]):
        perplexity.update(part.sum(), len(part))
    assert perplexity.compute().item() == pytest.approx(nll.mean().exp().item(), abs=1e-12)


def test_a_uniform_model_is_as_perplexed_as_its_vocabulary_is_large():
    perplexity = Perplexity()
    perplexity.update(100 * math.log(5000), 100)
    assert perplexity.compute().item() == pytest.approx(5000)


def test_small_sums_are_not_lost_beside_a_large_one():
    perplexity = Perplexity()
    perplexity.update(torch.tensor(1e8), 1)
    for _ in range(1000):
        perplexity.update(torch.tensor(1.0), 1)
    assert perplexity.nll.item() == 1e8 + 1000
    assert torch.tensor(1e8) + 1.0 == 1e8  # which float32 would have done


def test_the_two_counts_of_a_corpus_are_two_instances():
    with_eos, without_eos = Perplexity(), Perplexity()
    with_eos.update(6.0, 3)
    without_eos.update(5.0, 2)
    assert with_eos.compute().item() == pytest.approx(math.exp(2))
    assert without_eos.compute().item() == pytest.approx(math.exp(2.5))
