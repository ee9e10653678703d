"""Captioning: what its loss is made of, what it scores, and that it learns from images."""

from typing import Any

import pytest
import torch

from device_waits import watched
from seq2scene.errors import UserError
from seq2scene.nets.losses.scene_losses import doubly_stochastic
from seq2scene.sequences.caption_batch import CaptionBatch
from seq2scene.sequences.language import Language
from seq2scene.sequences.padding import shift_right
from seq2scene.sequences.tokenizers import choose
from seq2scene.sequences.vocabulary import Vocabulary
from seq2scene.tasks.captioning import Captioning

LANGUAGE = Language(choose("whitespace", "en"), Vocabulary.count([list("abcdef")]))
CAPTIONS = ["a b", "a b c d e f", "d d f", "c"]
IMAGE_ENCODER = {
    "_target_": "seq2scene.nets.vision.image_encoder.ImageEncoder",
    "trunk": "squeezenet1_1",
    "layer": "features.3",
    "weights": "none",
    "size": 64,
}
DECODERS = {
    "luong": {"_target_": "seq2scene.nets.text.decoders.LuongDecoder", "hidden_size": 8, "embedding_size": 6},
    "xu": {
        "_target_": "seq2scene.nets.text.xu_decoder.XuDecoder",
        "hidden_size": 8,
        "embedding_size": 6,
        "dropout": 0.0,
    },
}
SEARCH = {"max_ratio": 0.0, "max_extra": 8}


def task(decoder: str = "xu", **loss: Any) -> Captioning:
    config = {
        "image_encoder": IMAGE_ENCODER,
        "model": {
            "annotations": {"_target_": "seq2scene.nets.vision.annotations.Annotations", "size": 5},
            "decoder": DECODERS[decoder],
            "initial_range": 0.5,
        },
        "attention": {"_target_": "seq2scene.attention.GlobalAttention", "score": "concat"},
        "search": {"_target_": "seq2scene.search.beam.Beam", **SEARCH},
        "val_search": {"_target_": "seq2scene.search.stepwise.Greedy", **SEARCH},
        "loss": {
            "smoothing": 0.0,
            "per": "token",
            "doubly_stochastic": 0.0,
            "hard": False,
            "expectation": 0.5,
            "reinforce": {"_target_": "seq2scene.nets.losses.hard_attention.Reinforce"},
            **loss,
        },
    }
    torch.manual_seed(0)
    return Captioning(config, {"language": LANGUAGE.state()}).eval()


def batch(module: Captioning, captions: list[str] = CAPTIONS) -> CaptionBatch:
    channels = module.model.encoder.output_size
    maps = torch.randn(len(captions), channels, 2, 3, generator=torch.Generator().manual_seed(1))
    return CaptionBatch(
        None,
        LANGUAGE.batch(captions, eos=True),
        torch.arange(len(captions)) + 10,
        tuple((caption, "f e d") for caption in captions),
        maps.half(),
    )


def trainable(module: Captioning) -> list[torch.nn.Parameter]:
    return [p for p in module.parameters() if p.requires_grad]


@pytest.mark.parametrize("decoder", DECODERS)
def test_the_loss_is_minus_what_scoring_says(decoder: str) -> None:
    module = task(decoder)
    loss = module.loss(batch(module))
    assert loss.count == sum(len(caption.split()) + 1 for caption in CAPTIONS)
    torch.testing.assert_close(loss.total, -module.log_probs(batch(module)).sum())
    assert loss.normaliser == loss.count and task(decoder, per="sentence").loss(batch(module)).normaliser == 4


@pytest.mark.parametrize("decoder", DECODERS)
def test_looking_at_each_place_once_weighs_lambda_and_moves_no_likelihood(decoder: str) -> None:
    plain, wishing = task(decoder), task(decoder, doubly_stochastic=2.0)
    given = batch(plain)
    previous = shift_right(given.target.ids, LANGUAGE.vocabulary.bos)
    memory = plain.model.encode(given)
    _, weights = plain.model.decoder(memory, previous)
    wish = sum(
        ((1 - looked[:length].sum(0)) ** 2).sum()
        for looked, length in zip(weights, given.target.lengths.tolist(), strict=True)
    )
    ours, theirs = wishing.loss(given), plain.loss(given)
    torch.testing.assert_close(ours.total - theirs.total, 2 * wish)
    torch.testing.assert_close(ours.nll, theirs.nll)
    torch.testing.assert_close(doubly_stochastic(weights, given.target.mask, memory.mask).sum(), wish)


@pytest.mark.parametrize("decoder", DECODERS)
def test_no_training_step_waits_for_the_device(decoder: str) -> None:
    module = task(decoder, doubly_stochastic=1.0, per="sentence").train()
    given = batch(module)
    with watched() as waits:
        module.loss(given).total.backward()
    assert not waits


def test_hard_attention_samples_in_training_alone_and_moves_its_baseline() -> None:
    soft, hard = task(), task(hard=True, expectation=0.0)
    given = batch(hard)
    torch.testing.assert_close(hard.loss(given).total, soft.loss(given).total)
    hard.train()
    one, other = hard.loss(given), hard.loss(given)
    assert one.nll != other.nll and hard.reinforce.baseline < 0
    other.total.backward()
    assert all(torch.isfinite(p.grad).all() and p.grad.any() for p in trainable(hard))
    assert "reinforce.baseline" in hard.state_dict()


def test_hard_attention_by_expectation_alone_differs_from_soft_in_its_wish_for_entropy_only() -> None:
    reinforce = {"_target_": "seq2scene.nets.losses.hard_attention.Reinforce", "entropy": 0.0}
    soft, hard = task().train(), task(hard=True, expectation=1.0, reinforce=reinforce).train()
    torch.testing.assert_close(hard.loss(batch(hard)).total, soft.loss(batch(soft)).total)


def test_only_a_decoder_that_can_look_at_one_place_may_be_asked_to() -> None:
    with pytest.raises(UserError, match=r"loss\.hard=true.*model=xu2015"):
        task("luong", hard=True)


def test_a_test_keeps_each_image_with_its_caption_and_the_likelihood_that_scoring_gives() -> None:
    module = task()
    given = batch(module)
    module.test_step(given, 0)
    assert [caption.row for caption in module.outputs] == [10, 11, 12, 13]
    assert all(set(caption.text.split()) <= {*"abcdef", "<unk>"} for caption in module.outputs)
    short = [c for c in module.outputs if len(c.text.split()) < SEARCH["max_extra"] and "<unk>" not in c.text]
    again = batch(module, [caption.text for caption in module.outputs])
    scored = module.log_probs(again).sum(1).tolist()
    assert short
    for caption in short:
        assert caption.log_prob == pytest.approx(scored[caption.row - 10], abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("decoder", "hard"), [("luong", False), ("xu", False), ("xu", True)])
def test_captions_are_learnt_and_then_score_full_marks(decoder: str, hard: bool) -> None:
    module = task(decoder, hard=hard, doubly_stochastic=0.1).train()
    given = batch(module)
    optimizer = torch.optim.Adam(trainable(module), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        loss = module.loss(given)
        (loss.total / loss.normaliser).backward()
        optimizer.step()
    with torch.no_grad():
        module.eval().validation_step(given, 0)
    scores = module.scores["val_scores"]
    assert scores["perplexity"].compute() < 1.5
    assert scores["bleu_1"].compute() == scores["bleu_4"].compute() == pytest.approx(100)
    assert scores["rouge_l"].compute() == pytest.approx(100) and scores["cider"].compute() > 1
