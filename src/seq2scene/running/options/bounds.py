"""The valid values of every option that is a number or one of a few words.

Data modules, searches and nets check what only they can know; these rules hold for a key wherever it occurs,
so that an invalid value is refused before anything is loaded or trained.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seq2scene.errors import UserError


@dataclass(frozen=True)
class Good:
    """A predicate on values, and its description in words."""

    fits: Callable[[Any], bool]
    wanted: str

    def __or__(self, other: "Good") -> "Good":
        return Good(lambda value: self.fits(value) or other.fits(value), f"{self.wanted}, or {other.wanted}")


def _text(value: Any) -> str:
    """A value as it is written on the command line."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _is_number(value: Any, *types: type) -> bool:
    return isinstance(value, types) and not isinstance(value, bool) and math.isfinite(value)


def whole(low: int, high: float = math.inf) -> Good:
    upper = f" and at most {high}" if high < math.inf else ""
    wanted = f"a whole number of at least {low}{upper}"
    return Good(lambda value: _is_number(value, int) and low <= value <= high, wanted)


def number(low: float, high: float = math.inf) -> Good:
    """low <= value <= high"""
    lower = f"a number of at least {low}" if low > -math.inf else "a number"
    upper = f" and at most {high}" if high < math.inf else ""
    return Good(lambda value: _is_number(value, int, float) and low <= value <= high, lower + upper)


def between(low: float, high: float = math.inf) -> Good:
    """low < value < high"""
    upper = f" and less than {high}" if high < math.inf else ""
    return Good(
        lambda value: _is_number(value, int, float) and low < value < high,
        f"a number of more than {low}{upper}",
    )


def exactly(value: Any, meaning: str) -> Good:
    return Good(lambda given: type(given) is type(value) and given == value, f"{_text(value)} ({meaning})")


def one_of(*values: Any) -> Good:
    matches = [(type(value), value) for value in values]
    return Good(lambda value: (type(value), value) in matches, f"one of {', '.join(map(_text, values))}")


def text(pattern: str, wanted: str) -> Good:
    return Good(lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None, wanted)


FLAG = one_of(True, False)
SHARE = number(0, 1)
CHANCE = Good(
    lambda value: _is_number(value, int, float) and 0 <= value < 1, "a number of at least 0 and less than 1"
)
SIZE = whole(1)
LEFT_OUT = exactly(None, "none")
SIZES = SIZE | Good(
    lambda value: isinstance(value, list) and all(map((SIZE | LEFT_OUT).fits, value)), "a list"
)
PATH = text(r".+", "a path")
PATTERNS = Good(
    lambda value: isinstance(value, list) and all(isinstance(one, str) and one for one in value),
    "a list of patterns of parameters' names, as [encoder.*]",
)
BATCHES = whole(1) | Good(
    lambda value: isinstance(value, float) and 0 < value <= 1,
    "a fraction above 0.0 and up to 1.0, which is all",
)

# By full key
KEYS = {
    "seed": whole(0, 2**32 - 1),
    **dict.fromkeys(("test", "overwrite", "scores", "words", "bfloat16", "baselines"), FLAG),
    "gallery": whole(0) | LEFT_OUT,
    "init": PATH | LEFT_OUT,
    "freeze": PATTERNS,
    "optimizer.lr_of": Good(lambda value: value is None, "patterns and factors, as {encoder.*: 0.1}"),
    **dict.fromkeys(("inpainter", "captioner", "realism", "scene"), PATH | LEFT_OUT),
    "batch_size": SIZE,
    "n_best": SIZE,
    "pack_photos": SIZE | LEFT_OUT,
    "monitor.mode": one_of("min", "max"),
    "trainer.accelerator": one_of("auto", "gpu", "cuda", "cpu"),
    "trainer.devices": Good(
        lambda value: isinstance(value, str | list) or _is_number(value, int),
        "a number of at least 1, a list of GPU indices or auto",
    ),
    "trainer.num_nodes": SIZE,
    "trainer.precision": one_of("32-true", "bf16-mixed", "16-mixed"),
    "trainer.float32_matmul": one_of("highest", "high", "medium") | LEFT_OUT,
    "trainer.max_epochs": SIZE | exactly(-1, "no limit") | LEFT_OUT,
    "trainer.max_steps": SIZE | exactly(-1, "no limit"),
    "trainer.max_time": text(r"(?=.*[1-9])\d+:\d\d:\d\d:\d\d", "days:hours:minutes:seconds") | LEFT_OUT,
    "trainer.accumulate_grad_batches": SIZE,
    "trainer.gradient_clip_val": number(0) | LEFT_OUT,
    "trainer.check_val_every_n_epoch": SIZE | LEFT_OUT,
    "trainer.val_check_interval": BATCHES | LEFT_OUT,
    "trainer.limit_train_batches": BATCHES,
    "trainer.limit_val_batches": BATCHES | exactly(0, "no validation"),
    "trainer.limit_test_batches": Good(BATCHES.fits, f"{BATCHES.wanted}; test=false tests nothing"),
    "trainer.num_sanity_val_steps": whole(0) | exactly(-1, "all"),
    "trainer.log_every_n_steps": SIZE,
    "trainer.benchmark": FLAG | LEFT_OUT,
    "trainer.deterministic": FLAG | one_of("warn") | LEFT_OUT,
    "trainer.enable_model_summary": FLAG,
    "trainer.enable_progress_bar": FLAG,
    "trainer.use_distributed_sampler": exactly(False, "the data module deals batches to the ranks"),
    "trainer.fast_dev_run": exactly(False, "debug=once runs everything once"),
    "callbacks.last.every_n_train_steps": SIZE | LEFT_OUT,
    "callbacks.early_stopping.patience": whole(0),
    "callbacks.progress.refresh_rate": SIZE,
    "callbacks.progress.seconds": number(0),
    "callbacks.samples.lines": SIZE,
    "callbacks.samples.pictures": whole(0),
    "reports.lengths.width": SIZE,
    "reports.lengths.group": SIZE,
    "reports.alignments.pictures": whole(0),
    "reports.caption_pictures.count": whole(0),
    "reports.gallery.count": whole(0),
    "loss.smoothing": CHANCE,
    "loss.hard": FLAG,
    "loss.self_critical.metric": one_of("cider", "bleu", "chrf") | LEFT_OUT,
    "retrieval.repeat": FLAG,
    **dict.fromkeys(("retrieval.whole.things", "retrieval.whole.stuff"), SHARE),
    "loss.expectation": SHARE,
    "loss.reinforce.decay": CHANCE,
    "optimizer.momentum": CHANCE,
    "schedule.factor": between(0, 1),
    "schedule.patience": whole(0),
    "schedule.gamma": between(0),
    "schedule.every": between(0),
    "schedule.start": number(0),
    "schedule.floor": SHARE,
    "heads.appearance.size": SIZE,
    "image_encoder.size": SIZE,
    "model.annotations.size": SIZE | LEFT_OUT,
}

# By the last part of the key, within these groups; null is checked against the parameter's declared type.
GROUPS = (
    *("data", "grid", "heads", "canvas", "image_encoder", "model", "patch_encoder"),
    *("loss", "optimizer", "schedule"),
)
NAMES = {
    **dict.fromkeys(("batch_size", "eval_batch_size", "pool_batches", "eval_streams", "max_objects"), SIZE),
    "joined": SIZE,
    **dict.fromkeys(("max_length", "max_words"), SIZE),
    **dict.fromkeys(("min_count", "vocabulary_size", "max_size"), SIZES),
    **dict.fromkeys(("side", "photo_side", "candidates", "stride", "rows", "columns", "classes"), SIZE),
    **dict.fromkeys(("hidden_size", "embedding_size", "attention_size", "classifier_size"), SIZE),
    **dict.fromkeys(("output_size", "layers", "hidden", "ink", "heads", "pair_size", "components"), SIZE),
    **dict.fromkeys(("steps", "step_size", "steps_per_epoch"), SIZE),
    **dict.fromkeys(("weight_decay", "weight", "min_lr", "threshold"), number(0)),
    **dict.fromkeys(("initial_range", "embedding_range", "class_weight_std"), number(0)),
    **dict.fromkeys(("object", "place", "margin", "contrast"), number(0)),
    **dict.fromkeys(("object_attention", "attribute_attention"), number(0)),
    **dict.fromkeys(("picture", "perceptual", "label", "doubly_stochastic", "reward", "entropy"), number(0)),
    **dict.fromkeys(("overlap", "transfer", "noise", "min_thing", "min_stuff", "min_area"), SHARE),
    **dict.fromkeys(("lr", "scale"), between(0)),
    "shift": number(-math.inf),
    "dropout": CHANCE,
    "bpe_dropout": CHANCE
    | Good(lambda value: isinstance(value, list) and all(map(CHANCE.fits, value)), "a list of such numbers"),
}

# What a run can do without; other top-level keys, and all of these groups, are required.
DROPPABLE = ("logger", "callbacks", "reports", "heads", "published", "takes", "debug", "experiment")
WHOLE = ("loss", "monitor", "paths")


def check_dropped(overrides: Iterable[str]) -> None:
    """Raises UserError if an override ``~KEY`` drops something that every run needs."""
    for override in overrides:
        key = override.removeprefix("~").split("=")[0]
        needed = "." not in key or key.split(".")[0] in WHOLE
        if override.startswith("~") and needed and key not in DROPPABLE:
            raise UserError(f"~{key}: a run needs {key}; keep it, or give it another value")


def check_values(config: Mapping[str, Any]) -> None:
    """Raises UserError for the first invalid value of a resolved config, naming the valid ones."""
    for key, value in sorted(
        _leaves(config), key=lambda leaf: leaf[0].count(".")
    ):  # the original before its copies
        good = KEYS.get(key)
        if good is None and value is not None and key.split(".")[0] in GROUPS:
            good = NAMES.get(key.rpartition(".")[2])
        if good is not None and value != "???" and not good.fits(value):
            raise UserError(f"{key}={_text(value)}: it must be {good.wanted}")


def _leaves(config: Mapping[str, Any], start: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{start}{name}.")
        else:
            yield f"{start}{name}", value
