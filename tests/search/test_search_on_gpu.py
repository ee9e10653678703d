"""The search runs on the memory's device, with the same results as on the CPU."""

from dataclasses import replace

import pytest
import torch
from toy_decoders import IDS, PAD, HistoryDecoder, toy_memory

from seq2scene.search.beam import Beam
from seq2scene.search.stepwise import Greedy, Sample

OPTIONS = {"no_repeat_ngram": 2, "min_length": 2, "ban_unk": True}
SEARCHES = [
    Greedy(**OPTIONS),
    Beam(size=4, n_best=3, normalisation="gnmt", coverage=0.2, **OPTIONS),
    Sample(top_p=0.9, num_samples=3, **OPTIONS),
]


def on(device: str, search) -> list[torch.Tensor | None]:
    """Tokens, scores and weights found on ``device``."""
    memory, decoder = toy_memory([3, 0, 6, 2, 5, 1]), HistoryDecoder(2000)
    fields = {name: getattr(memory, name).to(device) for name in ("states", "keys", "mask", "lengths")}
    memory = replace(memory, **fields, final=tuple(state.to(device) for state in memory.final))
    for part, name in ((decoder, "embedding"), (decoder, "recurrent"), (decoder.output, "weight")):
        setattr(part, name, getattr(part, name).to(device))
    prefix = torch.tensor([[7, 8], [9, PAD]] + [[PAD, PAD]] * 4, device=device)
    chance = {"generator": torch.Generator().manual_seed(0)} if isinstance(search, Sample) else {}
    found = search(decoder, memory, **IDS, prefix=prefix, keep_weights=True, **chance)
    assert found.tokens.device.type == device
    return [found.tokens.cpu(), found.scores.cpu(), found.weights.cpu()]


@pytest.mark.gpu
@pytest.mark.parametrize("search", SEARCHES, ids=["greedy", "beam", "sample"])
def test_the_gpu_finds_what_the_cpu_finds(search):
    for found, expected in zip(on("cuda", search), on("cpu", search), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("search", SEARCHES, ids=["greedy", "beam", "sample"])
def test_the_same_search_twice_is_the_same(search):
    for found, expected in zip(on("cpu", search), on("cpu", search), strict=True):
        assert torch.equal(found, expected)
