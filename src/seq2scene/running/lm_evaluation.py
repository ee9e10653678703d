"""Perplexity of a language model on its test sets."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from seq2scene.data.text.plain_text import PlainText
from seq2scene.json_text import write_json
from seq2scene.tasks.lm import LM


def evaluate_text(trainer: pl.Trainer, task: LM, data: PlainText, folder: Path) -> dict[str, Any]:
    """Scores every test set; the scores by name of the set and of the score, also into metrics.json."""
    data.trainer = trainer  # the loaders deal to its ranks
    results = {}
    for name, loader in zip(data.test_names, data.test_dataloader(), strict=True):
        task.test_name = name
        (scores,) = trainer.test(task, dataloaders=loader, verbose=False)
        results[name] = {key.removeprefix(f"test/{name}/"): value for key, value in scores.items()}
    if trainer.is_global_zero:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "metrics.json", results)
    return results
