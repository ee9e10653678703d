"""The gradient is that of all positions together, however they were divided."""

from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from device_waits import watched
from seq2scene.errors import UserError
from seq2scene.sequences.batch import ParallelBatch
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import choose
from seq2scene.sequences.vocabulary import Vocabulary
from seq2scene.tasks.nmt import NMT

pytestmark = pytest.mark.filterwarnings("ignore:.*have no .val_dataloader")

LANGUAGE = Language(choose("whitespace", "en"), Vocabulary.count([list("abcdef")]))
PAIRS = [("a b", "b"), ("c", "a b c d e f"), ("f e d", "a"), ("d", "d d"), ("e f a b", "c c c"), ("b", "f")]


def task(per: str = "token", **optimizer: Any) -> NMT:
    config = {
        "model": {
            "encoder": {"_target_": "seq2scene.nets.text.encoders.RecurrentEncoder", "hidden_size": 4},
            "decoder": {"_target_": "seq2scene.nets.text.decoders.LuongDecoder", "hidden_size": 6},
            "initial_range": 0.5,
        },
        "attention": {"_target_": "seq2scene.attention.GlobalAttention"},
        "search": {"_target_": "seq2scene.search.beam.Beam"},
        "val_search": {"_target_": "seq2scene.search.stepwise.Greedy"},
        "loss": {"smoothing": 0.1, "per": per},
        "optimizer": {"_target_": "torch.optim.SGD", "lr": 1.0, **optimizer},
        "schedule": {"_target_": "seq2scene.tasks.schedules.constant", "interval": "epoch"},
    }
    torch.manual_seed(0)
    return NMT(config, {"source": LANGUAGE.state(), "target": LANGUAGE.state(), "source_eos": False})


def batch(pairs: list[tuple[str, str]]) -> ParallelBatch:
    sources, targets = zip(*pairs, strict=True)
    return ParallelBatch(LANGUAGE.batch(sources), LANGUAGE.batch(targets, eos=True), torch.arange(len(pairs)))


def trained(module: NMT, batches: list[ParallelBatch], tmp_path, **trainer: Any) -> dict[str, torch.Tensor]:
    """The weights after one step over ``batches``."""
    quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    settings = dict.fromkeys(quiet, False) | {"accelerator": "cpu", "devices": 1, "max_epochs": 1}
    fitter = pl.Trainer(**settings, default_root_dir=tmp_path, limit_val_batches=0, **trainer)
    fitter.fit(module, train_dataloaders=DataLoader(batches, batch_size=None))
    assert fitter.global_step == 1
    return module.state_dict()


@pytest.mark.parametrize("clip", [None, 0.1])
@pytest.mark.parametrize("per", ["token", "sentence"])
def test_micro_batches_of_unequal_lengths_train_as_the_whole(tmp_path, per: str, clip: float | None) -> None:
    whole = trained(task(per), [batch(PAIRS)], tmp_path, gradient_clip_val=clip)
    parts = [batch(PAIRS[:1]), batch(PAIRS[1:3]), batch(PAIRS[3:])]
    divided = trained(task(per), parts, tmp_path, gradient_clip_val=clip, accumulate_grad_batches=3)
    for name, value in whole.items():
        torch.testing.assert_close(value, divided[name], msg=lambda text, name=name: f"{name}: {text}")


def test_the_gradient_is_the_mean_over_tokens_or_sentences(tmp_path) -> None:
    before = task().state_dict()["model.decoder.output.bias"].clone()
    module = task()
    loss = module.loss(batch(PAIRS))
    (gradient,) = torch.autograd.grad(loss.total, module.model.decoder.output.bias)
    for per, divisor in (("token", 14 + 6), ("sentence", 6)):
        after = trained(task(per), [batch(PAIRS)], tmp_path)["model.decoder.output.bias"]
        torch.testing.assert_close(before - after, gradient / divisor)


def test_clipping_bounds_the_norm_of_the_normalised_gradient(tmp_path) -> None:
    before = {name: value.clone() for name, value in task().state_dict().items()}
    after = trained(task(), [batch(PAIRS)], tmp_path, gradient_clip_val=0.01)
    norm = sum(
        ((after[name] - value) ** 2).sum() for name, value in before.items() if "model." in name
    ).sqrt()
    assert norm.item() == pytest.approx(0.01, rel=1e-3)


def test_meaningless_choices_are_refused(tmp_path) -> None:
    with pytest.raises(UserError, match=r"loss\.per=word is not a choice; choose one of token, sentence"):
        task("word")
    with pytest.raises(UserError, match="can only be clipped by norm"):
        trained(task(), [batch(PAIRS)], tmp_path, gradient_clip_val=1.0, gradient_clip_algorithm="value")


def test_no_training_step_waits_for_the_device() -> None:
    module, given = task().train(), batch([("a b", "c d e"), ("a", "b")])
    with watched() as waits:
        module.loss(given).total.backward()
    assert not waits


def test_an_empty_source_has_a_finite_loss_and_gradient() -> None:
    module = task()
    module.loss(batch([("", "a"), ("b", "c")])).total.backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in module.parameters())
