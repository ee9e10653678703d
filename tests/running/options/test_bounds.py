"""Invalid values are refused, naming the valid ones; every default of the configs is valid."""

import math
import sys
from pathlib import Path

import pytest
import yaml

from seq2scene.errors import UserError
from seq2scene.running.options.bounds import check_dropped, check_values

sys.path.append(str(Path(__file__).resolve().parents[2]))
from test_configs import CONF, compose_plain, options

BAD = {
    "trainer.gradient_clip_val": (-1, math.nan),
    "trainer.accumulate_grad_batches": (0, 1.5),
    "seed": (-1, "abc", 2**32, None, True),
    "trainer.devices": (1.5, None, True),
    "trainer.num_nodes": (0,),
    "trainer.limit_train_batches": (0, 0.0, -1, 1.5),
    "trainer.limit_val_batches": (-1, 1.5),
    "trainer.limit_test_batches": (0, 1.5),
    "trainer.max_epochs": (0, -2, 2.5),
    "trainer.max_steps": (0, None),
    "trainer.max_time": ("soon", "00:00:00:00", 60),
    "trainer.check_val_every_n_epoch": (0,),
    "trainer.val_check_interval": (0, 1.5, -0.5),
    "trainer.log_every_n_steps": (0,),
    "trainer.num_sanity_val_steps": (-2,),
    "trainer.precision": ("8",),
    "trainer.accelerator": ("tpu",),
    "trainer.use_distributed_sampler": (True,),
    "trainer.fast_dev_run": (True, 1),
    "monitor.mode": ("best",),
    "optimizer.lr": (0, -0.1, "abc", math.nan, math.inf),
    "schedule.factor": (0, 1.5),
    "data.batch_size": (0, -1),
    "model.encoder.hidden_size": (0,),
    "model.encoder.layers": (0,),
    "model.decoder.dropout": (1.0, -0.1),
    "loss.smoothing": (1.0,),
}


def nested(key: str, value: object) -> dict[str, object]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in BAD.items() for value in values])
def test_a_value_without_a_meaning_is_refused_by_its_key(key: str, value: object) -> None:
    with pytest.raises(UserError, match=rf"^{key}=.*: it must be "):
        check_values(nested(key, value))


@pytest.mark.parametrize("task", options("task"))
def test_what_a_task_says_has_a_meaning(task: str, tmp_path: Path) -> None:
    check_values(compose_plain(tmp_path, f"task={task}"))


OTHERS = ("data", "model", "optimizer", "schedule", "image_encoder", "canvas", "grid", "heads", "trainer")


@pytest.mark.parametrize("group", OTHERS)
def test_what_the_options_of_a_group_say_has_a_meaning(group: str) -> None:
    for option in options(group):
        config = yaml.safe_load((CONF / group / f"{option}.yaml").read_text(encoding="utf-8")) or {}
        check_values(without_interpolations({group: config}))


def without_interpolations(config: dict[str, object]) -> dict[str, object]:
    return {
        key: without_interpolations(value) if isinstance(value, dict) else value
        for key, value in config.items()
        if not str(value).startswith("${")
    }


@pytest.mark.parametrize("key", ["seed", "monitor", "monitor.mode", "optimizer", "loss.smoothing", "test"])
def test_what_a_run_needs_cannot_be_dropped(key: str) -> None:
    with pytest.raises(UserError, match=f"^~{key}: a run needs {key}"):
        check_dropped(["seed=1", f"~{key}"])


def test_what_a_run_can_do_without_can_be_dropped() -> None:
    check_dropped(["~logger", "~logger.csv", "~callbacks", "~callbacks.best", "~heads.aspect", "~data.root"])
