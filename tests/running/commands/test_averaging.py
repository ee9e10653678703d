"""An averaged checkpoint is the mean of the weights of checkpoints of one model, and a checkpoint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from entry_points import run
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.running.commands.averaging import average, average_checkpoints
from seq2scene.running.commands.generation import generate
from seq2scene.tasks.loading import load_task

pytestmark = pytest.mark.slow

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def saved(models, tmp_path: Path):
    """Saves the first model's checkpoint with a change of its contents: the path."""

    def save(name: str, change: Change) -> Path:
        checkpoint = load_checkpoint(models.a)
        change(checkpoint)
        torch.save(checkpoint, tmp_path / name)
        return tmp_path / name

    return save


def with_tensors(**tensors: torch.Tensor) -> Change:
    return lambda checkpoint: checkpoint["state_dict"].update(tensors)


def test_the_mean_of_one_is_itself(models) -> None:
    before, after = load_checkpoint(models.a), average_checkpoints([models.a])
    assert before["state_dict"].keys() == after["state_dict"].keys()
    for name, tensor in before["state_dict"].items():
        assert torch.equal(after["state_dict"][name], tensor), name
    assert after["hyper_parameters"] == before["hyper_parameters"]


def test_every_weight_is_the_mean_and_integers_are_the_last(models, saved) -> None:
    a = saved("a", with_tensors(x=torch.tensor([1.0, -2.0]), steps=torch.tensor(3)))
    b = saved("b", with_tensors(x=torch.tensor([4.0, 1.0]), steps=torch.tensor(8)))
    mean = average_checkpoints([a, b])["state_dict"]
    assert mean["x"].tolist() == [2.5, -0.5] and mean["steps"].item() == 8
    ours, theirs = (load_checkpoint(path)["state_dict"] for path in (models.a, models.b))
    mean = average_checkpoints([models.a, models.b])["state_dict"]
    for name in ours:
        torch.testing.assert_close(mean[name], (ours[name] + theirs[name]) / 2)


def test_half_precision_is_added_up_in_single(saved) -> None:
    """In bfloat16 257 is 256, and 256 + 1 + 1 would be 256."""
    values = (256.0, 1.0, 1.0)
    paths = [saved(str(n), with_tensors(x=torch.tensor(v).bfloat16())) for n, v in enumerate(values)]
    mean = average_checkpoints(paths)["state_dict"]["x"]
    assert mean.dtype == torch.bfloat16 and mean.item() == 86.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_tensors(extra=torch.zeros(2)), r"extra is absent in the first and \(2,\) in the second"),
        (
            lambda checkpoint: checkpoint["state_dict"].pop("model.decoder.output.bias"),
            r"model\.decoder\.output\.bias is \(12,\) in the first and absent in the second",
        ),
        (
            with_tensors(**{"model.decoder.output.bias": torch.zeros(5)}),
            r"model\.decoder\.output\.bias is \(12,\) in the first and \(5,\) in the second",
        ),
        (
            lambda checkpoint: model(checkpoint)["encoder"].update(reverse_source=True),
            r"model\.encoder\.reverse_source is False in the first and True in the second",
        ),
        (
            lambda checkpoint: vocabulary(checkpoint, "target").update(tokens=[*"0123", *"ABCDEFGH"]),
            "their target vocabularies differ: token 0 is '<pad>' in the first and '0' in the second",
        ),
        (
            lambda checkpoint: vocabulary(checkpoint, "source")["tokens"].append("zebra"),
            "their source vocabularies differ: the first has 12 tokens, the second 13",
        ),
    ],
    ids=["more tensors", "fewer tensors", "shape", "settings", "other tokens", "more tokens"],
)
def test_another_model_is_refused_by_the_first_difference(models, saved, change: Change, said: str) -> None:
    with pytest.raises(UserError, match=said):
        average_checkpoints([models.a, models.a, saved("other.ckpt", change)])


def model(checkpoint: dict[str, Any]) -> dict[str, Any]:
    return checkpoint["hyper_parameters"]["config"]["model"]


def vocabulary(checkpoint: dict[str, Any], side: str) -> dict[str, Any]:
    return checkpoint["hyper_parameters"]["description"][side]["vocabulary"]


def test_another_dropout_is_no_other_model(models, saved) -> None:
    average_checkpoints([models.a, saved("dry", lambda c: model(c)["encoder"].update(dropout=0.5))])


def test_nothing_is_written_over_unless_told(models, composed, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "mean.ckpt"
    average(composed("average", f"ckpt=[{models.a},{models.b}]", f"out={out}"))
    before = out.read_bytes()
    with pytest.raises(UserError, match=r"mean\.ckpt exists: name another file, or say overwrite=true"):
        average(composed("average", f"ckpt={models.a}", f"out={out}"))
    assert out.read_bytes() == before
    average(composed("average", f"ckpt={models.a}", f"out={out}", "overwrite=true"))
    ours, theirs = (load_checkpoint(path)["state_dict"] for path in (out, models.a))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert list(out.parent.iterdir()) == [out]
    with pytest.raises(UserError, match=r"is a folder: name a file in it"):
        average(composed("average", f"ckpt={models.a}", f"out={tmp_path}"))


@pytest.mark.slow
def test_the_averaged_file_translates_with_the_mean_weights(models, composed, tmp_path: Path) -> None:
    out = tmp_path / "mean.ckpt"
    said = run("average.py", f"ckpt=[{models.a},{models.b}]", f"out={out}", work=tmp_path)
    assert said == f"{out}: the mean of 2 checkpoints\n"
    written = tmp_path / "out.txt"
    text = ["text=a b c d", f"out={written}", "scores=true", "search=greedy", "search.min_length=3"]
    generate(composed("generate", f"ckpt={out}", "device=cpu", *text))
    task, other = load_task([models.a]), load_task([models.b])
    with torch.no_grad():
        for ours, theirs in zip(task.parameters(), other.parameters(), strict=True):
            ours.copy_((ours + theirs) / 2)
    search = {**task.config["val_search"], "min_length": 3}
    checkpoint = {"hyper_parameters": {"config": task.config, "description": task.description}}
    torch.save({**checkpoint, "state_dict": task.state_dict()}, tmp_path / "by_hand.ckpt")
    found = load_task([tmp_path / "by_hand.ckpt"], search=search).translate(task.source.batch(["a b c d"]))
    number, log_prob, words = written.read_text().rstrip("\n").split("\t")
    assert number == "1" and words == task.target.decode(found.tokens[0, 0]) and len(words.split()) >= 3
    assert float(log_prob) == pytest.approx(found.log_probs[0, 0].item(), abs=1e-4)
