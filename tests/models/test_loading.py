"""Models from checkpoints: as the commands use them, without the tasks that trained them."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import seq2scene
from entry_points import HEAVY, imported_by
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.models.loading import MODELS, find_device, model_class
from seq2scene.search.beam import Beam
from seq2scene.search.stepwise import Greedy, Sample
from seq2scene.tasks.loading import load_task
from small_translators import small_language_model

pytestmark = pytest.mark.slow


def test_each_task_of_ours_trains_the_model_that_its_checkpoints_are_loaded_as() -> None:
    from seq2scene.building import find

    for task in MODELS:
        assert find(task, "task").model_class is model_class(task)


def test_a_text_gives_one_translation_and_a_list_a_list(models) -> None:
    model = seq2scene.load(models.a)
    assert not model.training and model.device.type == "cpu"
    one, many = model.translate("a b c"), model.translate(["a b c", "", "h g"])
    assert str(one) == one.text == many[0].text and len(many) == 3
    assert (many[1].text, many[1].words, many[1].log_prob) == ("", (), 0.0)
    best = model.translate("a b c", n_best=3, search=Beam(size=4))
    assert len(best) == 3 and best[0].log_prob >= best[1].log_prob >= best[2].log_prob
    assert model.translate("a b c", prefix="h h").words[:2] == ("h", "h")
    with pytest.raises(UserError, match="n_best=2: greedy search finds one result"):
        model.translate("a b c", n_best=2, search=Greedy())
    assert model.unknown("a zebra b") == ["zebra"]


def test_attention_has_a_row_for_each_word_and_eos_and_a_column_for_each_source_token(models) -> None:
    model = seq2scene.load(models.a)
    one = model.translate("a zebra c", keep_attention=True)
    assert one.attention.shape == (len(one.words) + 1, 3) and model.source_tokens("a zebra c")[1] == "<unk>"
    np.testing.assert_allclose(one.attention.sum(1), 1, rtol=1e-5)


def test_an_alignment_links_each_target_word_to_the_source_word_it_attends_to_most(models) -> None:
    model = seq2scene.load(models.a)
    one, (again, other) = model.align("a b c", "c b a"), model.align(["a b c", "h"], ["c b a", "h g"])
    assert (one.source, one.target, one.matrix.shape) == (("a", "b", "c"), ("c", "b", "a"), (3, 3))
    assert [target for _, target in one.links] == [0, 1, 2] and one.links == again.links
    assert all(one.matrix[target].argmax() == source for source, target in one.links)
    assert other.matrix.shape == (2, 1) and other.links == ((0, 0), (0, 1))


def test_a_score_is_the_log_probability_that_a_search_reports(models) -> None:
    model = seq2scene.load([models.a, models.b], ensemble="probs", search={"ban_unk": True})
    sources = ["a b c", "h g"]
    found = model.translate(sources)
    scores = model.score(sources, [one.text for one in found])
    assert scores == pytest.approx([one.log_prob for one in found], abs=1e-4)
    assert model.score(sources[0], found[0].text) == pytest.approx(scores[0], abs=1e-4)
    with pytest.raises(UserError, match="2 sources and 1 targets"):
        model.score(sources, ["a"])


def test_a_search_is_replaced_or_changed_option_by_option(models) -> None:
    own = seq2scene.load(models.a).search
    changed = seq2scene.load(models.a, search={"max_length": 2})
    assert changed.search.max_length == 2 and type(changed.search) is type(own)
    assert seq2scene.load(models.a, search=Sample(num_samples=2)).search == Sample(num_samples=2)
    changed.search = Greedy(max_length=1)
    assert len(changed.translate("a b c d").words) <= 1


def test_a_verb_runs_in_evaluation_mode_and_gives_the_mode_back(models) -> None:
    model = seq2scene.load(models.a).train()
    text = model.translate("a b c").text
    assert model.training and text == model.eval().translate("a b c").text


def test_weights_of_before_are_read_by_a_model_and_by_its_task(models, tmp_path: Path) -> None:
    """A task kept its net as ``net`` before it had a model."""
    checkpoint = load_checkpoint(models.a)
    weights = checkpoint["state_dict"].items()
    checkpoint["state_dict"] = {name.replace("model.", "net.", 1): value for name, value in weights}
    torch.save(checkpoint, tmp_path / "before.ckpt")
    assert all(name.startswith("net.") for name in load_checkpoint(tmp_path / "before.ckpt")["state_dict"])
    now, before = seq2scene.load(models.a), seq2scene.load(tmp_path / "before.ckpt")
    task = load_task([tmp_path / "before.ckpt"])
    for name, value in now.state_dict().items():
        assert torch.equal(before.state_dict()[name], value)
        assert torch.equal(task.model.state_dict()[name], value)


def test_a_language_model_continues_a_text() -> None:
    model = small_language_model()
    assert model.continue_text("a b").words[:2] == ("a", "b")
    assert len(model.continue_text(["a", ""], n_best=2, search=Beam(size=3, max_length=4))[1]) == 2
    one = model.continue_text()
    assert model.score(one.text) == pytest.approx(one.log_prob, abs=1e-5)
    assert model.score(["a b", "c"])[0] == pytest.approx(model.score("a b"), abs=1e-5)


def test_texts_of_any_lengths_are_continued_together_as_alone() -> None:
    model = small_language_model()
    texts = ["a b c a", "", "b"]
    for search in (None, Beam(size=3, max_length=6)):
        together = model.continue_text(texts, search=search)
        assert [one.text for one in together] == [
            model.continue_text(one, search=search).text for one in texts
        ]


def test_a_text_longer_than_the_limit_lengthens_no_other() -> None:
    model = small_language_model()
    with torch.no_grad():
        model.decoder.output.bias[model.language.vocabulary.eos] = -20
    texts = ["a", " ".join(12 * "b"), ""]
    for search in (Greedy(max_length=5), Beam(size=2, max_length=5)):
        together = [one.words for one in model.continue_text(texts, search=search)]
        assert list(map(len, together)) == [5, 12, 5]
        assert together == [model.continue_text(one, search=search).words for one in texts]


def test_a_seed_repeats_samples_and_leaves_the_generator_alone(models) -> None:
    for model, text in ((seq2scene.load(models.a), "a b c"), (small_language_model(), "a")):
        before = torch.get_rng_state()
        first = model.sample(text, count=5, seed=7)
        assert torch.equal(before, torch.get_rng_state())
        assert [one.text for one in first] == [one.text for one in model.sample(text, count=5, seed=7)]
        assert len({one.text for one in first}) > 1 and len(model.sample([text], count=2)[0]) == 2
        (coldest,) = model.sample(text, temperature=0)
        search = Greedy(max_length=model.search.max_length)
        verb = model.translate if model.kind == "translator" else model.continue_text
        assert coldest.text == verb(text, search=search).text


def test_perplexity_is_per_token_and_counts_eos(models) -> None:
    model, language = seq2scene.load(models.a), small_language_model()
    assert language.perplexity("a b") == pytest.approx(math.exp(-language.score("a b") / 3))
    assert model.perplexity("a b", "b a") == pytest.approx(math.exp(-model.score("a b", "b a") / 3), rel=1e-4)
    both = model.perplexity(["a b", "c"], ["b a", "c"])
    assert both[0] == pytest.approx(model.perplexity("a b", "b a"), rel=1e-4) and len(both) == 2
    assert model.score([], []) == language.score([]) == []


def test_a_device_that_is_not_there_is_named(models) -> None:
    assert find_device("auto") in ("cpu", "cuda") and find_device("cpu") == "cpu"
    for name, why in (
        ("tpu", "is not a choice; choose one of auto, cpu, cuda, mps"),
        ("cpu:1", "is not a choice"),
        ("cuda:99", "no such GPU is visible"),
    ):
        with pytest.raises(UserError, match=f"device={name}.* {why}|device={name}: {why}"):
            seq2scene.load(models.a, device=name)


def test_translating_imports_nothing_of_training_or_drawing_and_the_command_only_hydra(models) -> None:
    root = Path(seq2scene.__file__).parents[1]
    script = f"import seq2scene\nprint(seq2scene.load({str(models.a)!r}).translate('a b c'))\n"
    arguments = ["generate.py", f"ckpt={models.a}", "text=a b c", "device=cpu"]
    script += f"import runpy, sys\nassert not {HEAVY} & {{*sys.modules}}, 'before the command'\n"
    script += f"sys.argv = {arguments}\nsys.path.insert(0, {str(root)!r})\n"
    script += f"runpy.run_path({str(root / 'generate.py')!r}, run_name='__main__')"
    assert imported_by(script) & HEAVY == {"hydra"}


def test_importing_the_package_imports_no_torch() -> None:
    assert "torch" not in imported_by("import seq2scene")
