"""Several checkpoints load as one translator, if they speak the same languages."""

from pathlib import Path

import pytest
import torch

from seq2scene.errors import UserError
from seq2scene.models.checkpoints import find_checkpoints, load_checkpoint
from seq2scene.running.commands.generation import generate
from seq2scene.search.ensemble import AVERAGES
from seq2scene.sequences.batch import ParallelBatch
from seq2scene.tasks.loading import load_task
from seq2scene.tasks.nmt import NMT

pytestmark = pytest.mark.slow


def batch(task: NMT) -> ParallelBatch:
    """Two pairs, one of them with a word that the model does not know."""
    source, target = ["a b c", "h g a b c d"], ["c b zebra", "d c b a g h"]
    pairs = task.source.batch(source), task.target.batch(target, eos=True)
    return ParallelBatch(*pairs, torch.arange(2), tuple(target))


@pytest.mark.parametrize("average", AVERAGES)
def test_a_checkpoint_with_itself_is_the_checkpoint(models, average: str) -> None:
    alone, doubled = load_task([models.a]), load_task([models.a, models.a], average)
    pairs = batch(alone)
    torch.testing.assert_close(doubled.log_probs(pairs), alone.log_probs(pairs))
    ours, theirs = doubled.translate(pairs.source), alone.translate(pairs.source)
    assert torch.equal(ours.tokens, theirs.tokens)
    torch.testing.assert_close(ours.scores, theirs.scores)


def test_averaged_probabilities_are_the_mean_of_the_members(models) -> None:
    together = load_task([models.a, models.b], "probs")
    pairs = batch(together)
    members = [load_task([path]).log_probs(pairs).exp() for path in (models.a, models.b)]
    mask = pairs.target.mask
    torch.testing.assert_close(together.log_probs(pairs).exp()[mask], ((members[0] + members[1]) / 2)[mask])
    assert not torch.allclose(members[0][mask], members[1][mask])


@pytest.mark.parametrize("average", AVERAGES)
def test_an_ensemble_is_evaluated_by_its_own_distribution(models, average: str) -> None:
    task = load_task([models.a, models.b], average)
    pairs = batch(task)
    with torch.no_grad():
        task.test_step(pairs, 0)
        expected = (-task.log_probs(pairs).sum() / pairs.target.mask.sum()).exp()
    torch.testing.assert_close(task.scores["test_scores"]["perplexity"].compute().float(), expected)
    assert len(task.outputs) == 2


def test_several_checkpoints_generate_together_with_attention_maps(models, composed, tmp_path: Path) -> None:
    out, pictures = tmp_path / "out", tmp_path / "pictures"
    several = [f"ckpt=[{models.a.parent},{models.b}]", "text=a b c", "n_best=2", "search.min_length=2"]
    where = [f"out={out}", f"pictures={pictures}", "device=cpu"]
    generate(composed("generate", *several, *where, "search=beam"))
    assert out.read_text().count("\n") == 2 and (pictures / "line_1.png").stat().st_size > 1000


def test_checkpoints_of_other_languages_are_refused_by_what_differs(models, tmp_path: Path) -> None:
    def refused(said: str, side: str, part: str, **values: object) -> None:
        checkpoint = load_checkpoint(models.b)
        checkpoint["hyper_parameters"]["description"][side][part].update(values)
        torch.save(checkpoint, tmp_path / "other.ckpt")
        with pytest.raises(UserError, match=said):
            load_task([models.a, tmp_path / "other.ckpt"])

    tokens = load_checkpoint(models.b)["hyper_parameters"]["description"]["target"]["vocabulary"]["tokens"]
    swapped = [*tokens[:4], tokens[5], tokens[4], *tokens[6:]]
    refused(
        f"their target vocabularies differ: token 4 is {tokens[4]!r} in the first and {tokens[5]!r}",
        *("target", "vocabulary"),
        tokens=swapped,
    )
    refused("their source vocabularies differ: .* 12 tokens, .* 4", "source", "vocabulary", tokens=tokens[:4])
    refused("their source vocabularies differ: their special", "source", "vocabulary", unk=0, pad=1)
    refused("their source tokenizers differ", "source", "tokenizer", lowercase=True)


def test_sources_with_and_without_eos_do_not_go_together(models, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(models.b)
    checkpoint["hyper_parameters"]["description"]["source_eos"] = True
    torch.save(checkpoint, tmp_path / "other.ckpt")
    with pytest.raises(UserError, match=r"the sources of one end in EOS"):
        load_task([models.a, tmp_path / "other.ckpt"])


def test_an_average_that_there_is_not_is_refused_even_for_one(models) -> None:
    with pytest.raises(UserError, match=r"ensemble=median is not a choice"):
        load_task([models.a], "median")


def test_one_checkpoint_or_several_are_found(models) -> None:
    assert find_checkpoints(models.a, "best.ckpt") == [models.a]
    assert find_checkpoints(str(models.a.parent), "best.ckpt") == [models.a]
    assert find_checkpoints([str(models.a.parent), models.b], "best.ckpt") == [models.a, models.b]
    with pytest.raises(UserError, match=r"names no checkpoint: give one, or several as ckpt=\[A,B\]"):
        find_checkpoints([], "best.ckpt")
