"""A language model's loss is that of its text however the text was cut, and its scores are minus its loss."""

from pathlib import Path
from typing import Any

import pytest
import torch

from device_waits import watched
from seq2scene.data.text.plain_text import PlainText
from seq2scene.errors import UserError
from seq2scene.models.words import ROWS
from seq2scene.sequences.language import Language
from seq2scene.sequences.text_batch import TextBatch, sentence_batch
from seq2scene.sequences.tokenizers import choose
from seq2scene.sequences.vocabulary import Vocabulary
from seq2scene.tasks.lm import LM

LANGUAGE = Language(choose("whitespace", "en"), Vocabulary.count([list("abcdef")]))
LINES = ["a b", "a b c d e f", "", "d d f", "c c c"]


def task(**config: Any) -> LM:
    config = {
        "model": {
            "decoder": {
                "_target_": "seq2scene.nets.text.language_model.LanguageModel",
                "hidden_size": 6,
                "layers": 2,
                **config.pop("decoder", {}),
            },
            "initial_range": 0.5,
        },
        "search": {"_target_": "seq2scene.search.beam.Beam", "n_best": 3, "max_length": 6},
        "val_search": {"_target_": "seq2scene.search.stepwise.Sample"},
        "loss": {"smoothing": 0.0, "per": "token"},
        **config,
    }
    torch.manual_seed(0)
    return LM(config, {"language": LANGUAGE.state()}).double().eval()


def sentences(lines: list[str]) -> TextBatch:
    return sentence_batch(LANGUAGE.batch(lines, eos=True), LANGUAGE.vocabulary.bos)


def streams(folder: Path, window: int, count: int, rank: int = 0, world: int = 1) -> list[TextBatch]:
    """The windows of LINES, three times over."""
    (folder / "text").write_text("".join(f"{line}\n" for line in LINES * 3))
    settings = {"batch_by": "stream", "window": window, "batch_size": count, "cache": str(folder / "cache")}
    data = PlainText(train="text", val="text", tests={}, language="en", root=str(folder), **settings)
    data.use({"language": LANGUAGE.state(), "language_code": "en"})
    data.setup()
    data._ranks = lambda: {"rank": rank, "world": world}
    return list(data.train_dataloader())


def total(module: LM, batches: list[TextBatch]) -> float:
    return sum(module.loss(batch).nll.item() for batch in batches)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("window", [2, 5, 11])
def test_a_stream_in_windows_has_the_loss_of_the_stream_read_at_once(
    tmp_path, cell: str, window: int
) -> None:
    module = task(decoder={"cell": cell})
    (whole,) = streams(tmp_path, 1000, 3)
    windows = streams(tmp_path, window, 3)
    assert len(windows) > 1
    assert total(module, windows) == pytest.approx(total(module, [whole]), abs=1e-9)
    assert total(module, windows) == pytest.approx(total(module, [whole]), abs=1e-9)  # it begins anew
    forgetful = [TextBatch(batch.previous, batch.target) for batch in windows]
    assert total(module, forgetful) != pytest.approx(total(module, [whole]), abs=1e-3)


def test_no_gradient_reaches_back_over_a_window(tmp_path) -> None:
    """After the first window all that follows sees its end as a constant, so backward calls do not meet."""
    module = task()
    for batch in streams(tmp_path, 5, 2):
        module.loss(batch).total.backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in module.parameters())


def test_two_ranks_have_the_loss_of_one(tmp_path) -> None:
    whole = total(task(), streams(tmp_path, 4, 4))
    parts = [total(task(), streams(tmp_path, 4, 2, rank, world=2)) for rank in range(2)]
    assert sum(parts) == pytest.approx(whole, abs=1e-9)


def test_validation_in_the_middle_of_a_stream_does_not_disturb_it(tmp_path) -> None:
    module, batches = task(), streams(tmp_path, 5, 2)
    alone = [module.loss(batch).nll.item() for batch in batches]
    disturbed = []
    for batch in batches:
        disturbed.append(module.loss(batch).nll.item())
        module.validation_step(batches[0], 0)
    assert disturbed == alone


@pytest.mark.parametrize("world", [1, 2])
def test_the_state_of_the_streams_goes_on_from_a_checkpoint(tmp_path, monkeypatch, world: int) -> None:
    class Trainer:
        world_size, global_rank = world, world - 1

    monkeypatch.setattr(LM, "trainer", Trainer())
    monkeypatch.setattr(torch.distributed, "all_gather_object", lambda out, ours: out.__setitem__(-1, ours))
    batches, module = streams(tmp_path, 5, 2), task()
    losses = [module.loss(batch).nll.item() for batch in batches[:-1]]
    checkpoint: dict[str, Any] = {}
    module.on_save_checkpoint(checkpoint)
    assert len(checkpoint["stream_states"]) == world and len(losses) > 1
    again = task()
    again.on_load_checkpoint(checkpoint)
    assert again.loss(batches[-1]).nll.item() == module.loss(batches[-1]).nll.item()
    checkpoint = {}
    again.on_save_checkpoint(checkpoint)  # at the end of the epoch nothing is carried on
    assert checkpoint["stream_states"][-1] == ()


def test_streams_of_another_number_start_from_zeros(tmp_path) -> None:
    """As in a run that goes on with another ``data.batch_size``."""
    module, fresh, last = task(), task(), streams(tmp_path, 5, 3)[-1]
    module.loss(streams(tmp_path, 5, 2)[0])
    assert last.continues and module._states["train"][0].shape[0] == 2
    assert module.loss(last).nll.item() == fresh.loss(last).nll.item()


def test_no_training_step_waits_for_the_device(tmp_path) -> None:
    module, batches = task().train(), [sentences(LINES), *streams(tmp_path, 5, 2)]
    with watched() as waits:
        for batch in batches:
            module.loss(batch).total.backward()
        assert not waits
        batches[0].target.ids[batches[0].target.mask]
    assert waits == ["aten.index.Tensor"]


def test_the_loss_of_a_batch_is_that_of_its_sentences_alone() -> None:
    module = task()
    loss, alone = module.loss(sentences(LINES)), [module.loss(sentences([line])) for line in LINES]
    assert loss.nll.item() == pytest.approx(sum(one.nll.item() for one in alone), abs=1e-9)
    assert loss.count.item() == loss.normaliser.item() == sum(len(line.split()) + 1 for line in LINES)
    assert task(loss={"smoothing": 0.0, "per": "sentence"}).loss(sentences(LINES)).normaliser == len(LINES)
    with pytest.raises(UserError, match=r"loss\.per=word is not a choice; choose one of token, sentence"):
        task(loss={"smoothing": 0.0, "per": "word"})


def test_scores_of_sentences_are_minus_the_loss_with_eos_or_without() -> None:
    module = task()
    log_probs = module.log_probs(LINES)
    for line, log_prob in zip(LINES, log_probs, strict=True):
        assert module.loss(sentences([line])).nll.item() == pytest.approx(-log_prob.item(), abs=1e-9)
    words = module.log_probs(LINES, eos=False)
    assert words[2] == 0 and (words >= log_probs).all()
    batch = sentences(LINES)
    module.validation_step(batch, 0)
    count = int(batch.target.mask.sum())
    val = module.scores["val_scores"]
    torch.testing.assert_close(val["perplexity"].compute(), (-log_probs.sum() / count).exp())
    expected = (-words.sum() / (count - len(LINES))).exp()
    torch.testing.assert_close(val["perplexity_words"].compute(), expected)


def test_scores_of_many_sentences_never_have_all_logits_at_once() -> None:
    module, sizes = task(), []
    module.model.decoder.output.register_forward_hook(lambda _, x, logits: sizes.append(len(logits)))
    for eos in (True, False):
        alone = module.log_probs(LINES, eos)
        sizes.clear()
        torch.testing.assert_close(module.log_probs(LINES * 99, eos), alone.repeat(99))
        assert max(sizes) == ROWS < sum(sizes) == 99 * sum(len(line.split()) + 1 for line in LINES)


def test_what_it_writes_it_scores_the_same() -> None:
    module = task()
    found = module.generate(1)
    texts = module.sample(1)
    assert len(set(texts)) == 3
    torch.testing.assert_close(module.log_probs(texts).float(), found.log_probs[0], atol=1e-5, rtol=0)


def test_texts_go_on_from_a_prefix() -> None:
    module = task()
    assert all(text.startswith("f a c") for text in module.sample(20, stage="val", prefix="f a c"))
    assert len(set(module.sample(20, stage="val"))) > 5
