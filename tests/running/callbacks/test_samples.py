"""A language model's samples use the same seed each time, without touching training's random state."""

import csv
from pathlib import Path

import torch

from seq2scene.running.callbacks.samples import Samples
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import choose
from seq2scene.sequences.vocabulary import Vocabulary
from seq2scene.tasks.lm import LM


class Pretend:
    """A minimal trainer for a callback."""

    sanity_checking, global_step, loggers, datamodule = False, 0, (), None


def model() -> LM:
    language = Language(choose("whitespace", "en"), Vocabulary.count([list("abcdef")]))
    sample = {"_target_": "seq2scene.search.stepwise.Sample", "max_length": 9}
    config = {
        "model": {
            "decoder": {"_target_": "seq2scene.nets.text.language_model.LanguageModel", "hidden_size": 6},
            "initial_range": 0.5,
        },
        "search": sample,
        "val_search": sample,
        "loss": {"smoothing": 0.0, "per": "token"},
    }
    return LM(config, {"language": language.state()}).eval()


def table(folder: Path, step: int) -> list[dict[str, str]]:
    with open(folder / f"step_{step:06d}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_same_model_writes_the_same_texts_and_training_s_chance_is_as_before(tmp_path) -> None:
    module, callback, trainer = model(), Samples(str(tmp_path), lines=5), Pretend()
    before = torch.get_rng_state()
    for trainer.global_step in (1, 2):
        callback.on_validation_end(trainer, module)
        torch.testing.assert_close(torch.get_rng_state(), before)
        torch.rand(3)
        before = torch.get_rng_state()
    first, second = table(tmp_path, 1), table(tmp_path, 2)
    assert first == second and len(first) == 5
    assert len({row["text"] for row in first}) > 1
    log_probs = module.log_probs([row["text"] for row in first])
    for row, log_prob in zip(first, log_probs.tolist(), strict=True):
        assert abs(float(row["log_prob"]) - log_prob) < 1e-3
