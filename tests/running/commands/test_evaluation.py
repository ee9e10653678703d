"""The data that evaluation reads: the checkpoint's own or others, in the languages that it has learnt."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from seq2scene.building import build
from seq2scene.data.text.parallel_text import ParallelText
from seq2scene.errors import UserError
from seq2scene.models.loading import SEARCHES
from seq2scene.nets.vision.image_encoder import ImageEncoder
from seq2scene.running.commands.evaluation import (
    as_precise,
    data_of,
    data_settings,
    require_likelihoods,
    without_training,
)
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import Whitespace
from seq2scene.sequences.vocabulary import Vocabulary

CONF = Path(__file__).resolve().parents[3] / "conf"
STATE = Language(Whitespace(), Vocabulary.count([["a"]])).state()
LANGUAGES = {"source": STATE, "target": STATE, "source_eos": False, "shared_vocabulary": False}

DATA = sorted(path.stem for path in (CONF / "data").glob("*.yaml"))
NAMES = {"source_language": "de", "target_language": "en", "language_code": "en"}


def settings_of(composed, *options: str, description: dict[str, str] | None = None) -> dict[str, Any]:
    """As evaluation would build data for a checkpoint of seed 7."""
    parts = {"config": {"seed": 7, "data": {"root": "there"}}, "description": description or {}}
    return data_settings(composed("evaluate", "ckpt=any", *options), parts, options)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize(
    "description", [pytest.param({}, marks=pytest.mark.slow), NAMES], ids=["old", "named"]
)
def test_every_data_option_can_be_evaluated_on(composed, data: str, description: dict[str, str]) -> None:
    """Built but not read; a photo's encoder comes out of the checkpoint."""
    exports, scenes = ("boxes", "boxes_captions", "segments"), ("clip_art", "clip_art_captions")
    needed = {
        "text_files": ["data.source=de", "data.target=en"],
        "plain_text": ["data.language=en"],
        **{name: ["data.captions=a.csv"] for name in exports},
        "segments_inpainting": ["data.composites.train=a.json", "data.composites.captions=a.csv"],
    }
    files = {
        **{"text_files": "[a,b]", "plain_text": "a", "photos": "[a.csv,photos]"},
        **dict.fromkeys((*exports, *scenes), "a.json"),
    }
    tests = [f"+data.tests.mine={files[data]}"] if data in files else []
    settings = settings_of(composed, f"data={data}", *needed.get(data, []), *tests, description=description)
    encoder = (
        {"encoder": ImageEncoder("squeezenet1_1", "features.3", "none", size=64)}
        if "encoder" in settings
        else {}
    )
    made = data_of(settings, **encoder)
    assert made.seed == 7 and made.test_names
    if data in files:
        assert made.test_names == ["mine"] and made.files["train"] == made.files["val"] == ()


def test_without_another_choice_data_are_the_checkpoint_s_own(composed) -> None:
    assert settings_of(composed) == {"root": "there"}
    assert settings_of(composed, "data.root=here", "+data.seed=3") == {"root": "here", "seed": 3}


@pytest.mark.parametrize("data", ["multi30k", "multi30k_raw", "park", "wmt14", "wmt15", "iwslt14", "iwslt15"])
def test_parallel_text_is_read_in_the_direction_of_the_model(composed, data: str) -> None:
    settings = settings_of(composed, f"data={data}", description=NAMES)
    assert (settings["source"], settings["target"]) == ("de", "en")
    for source, target in settings["tests"].values():
        assert source.removesuffix(".gz").endswith(".de") and target.removesuffix(".gz").endswith(".en")
    ParallelText.use(build(settings, "data"), {**LANGUAGES, **NAMES})


def test_a_text_is_read_in_the_language_of_the_model(composed) -> None:
    settings = settings_of(composed, "data=multi30k_text", description={"language_code": "fr"})
    assert settings["language"] == "fr" and all(".fr." in file for file in settings["tests"].values())


@pytest.mark.parametrize(
    "options",
    [
        ["data=multi30k", "data.source=en", "data.target=de"],
        ["data=multi30k", "data.tests.test_2016_flickr=[a.en,a.de]"],
        ["data=text_files", "data.source=en", "data.target=de", "+data.tests.mine=[a.en,a.de]"],
    ],
)
def test_what_cannot_be_turned_round_is_refused(composed, options: list[str]) -> None:
    told = "data.source=en data.target=de: the checkpoint has learnt data.source=de data.target=en"
    with pytest.raises(UserError, match=told):
        settings_of(composed, *options, description=NAMES)


def test_captions_of_another_language_are_refused(composed) -> None:
    with pytest.raises(UserError, match=r"data\.language=en: the checkpoint has learnt data\.language=de"):
        settings_of(composed, "data=park_captions", description={"language_code": "de"})


def test_own_files_without_a_word_on_their_languages_are_of_the_model_s(composed) -> None:
    settings = settings_of(composed, "data=text_files", "+data.tests.mine=[a,b]", description=NAMES)
    assert (settings["source"], settings["target"]) == ("de", "en")


def test_without_a_test_set_there_is_nothing_to_evaluate(composed) -> None:
    for data in ("text_files", "plain_text"):
        with pytest.raises(UserError, match=r"data\.tests: there is no test set; give one as"):
            settings_of(composed, f"data={data}", description=NAMES)


def test_own_test_sets_are_all_that_is_read(composed, tmp_path: Path, caplog) -> None:
    """Neither the test set nor another is taken for training data, of which nothing is known."""
    for name in ("a", "b"):
        (tmp_path / name).write_text("a\na a\n")
    places = [f"data.root={tmp_path}", f"paths.cache={tmp_path / 'cache'}"]
    settings = settings_of(composed, "data=text_files", *places, "+data.tests.mine=[a,b]", description=NAMES)
    assert settings["train"] == settings["val"] == "???"
    data = data_of(settings)
    data.use(LANGUAGES)
    with caplog.at_level("INFO"):
        data.prepare_data()
        data.setup("test")
    assert list(data.corpora) == data.test_names == ["mine"] and "training set" not in caplog.text


def test_validation_data_are_not_prepared_for_tests(composed, tmp_path: Path) -> None:
    places = [f"data.root={tmp_path}", f"paths.cache={tmp_path / 'cache'}"]
    data = data_of(settings_of(composed, "data=park", *places, "data.park.train=30"))
    data.use(LANGUAGES)
    data.prepare_data()
    assert list(data.corpora) == ["test"] and data.files["train"] == ["train.en", "train.de"]


@pytest.mark.parametrize("data", ["photos", "boxes", "clip_art"])
def test_nothing_is_held_out_of_training_data_that_are_not_given(composed, data: str) -> None:
    files = "[a.csv,photos]" if data == "photos" else "a.csv"
    settings = settings_of(composed, f"data={data}", f"+data.tests.mine={files}")
    assert settings["tests"]["test"] is None and settings["tests"]["mine"] and settings["val"] == "???"
    given = settings_of(composed, f"data={data}", f"data.train={files}", f"+data.tests.mine={files}")
    assert given["tests"]["test"] == 0.1 and given["val"] == 0.1
    with pytest.raises(UserError, match=r"data\.tests: there is no test set; give one as"):
        settings_of(composed, f"data={data}")
    with pytest.raises(UserError, match=r"^data\.tests\.mine=0\.2 would be held out of the training data"):
        settings_of(composed, f"data={data}", "+data.tests.mine=0.2")


def test_reports_that_need_training_data_are_refused_without(capsys) -> None:
    chosen = {"baselines": False, "reports": None}
    own = {"captions": {}, "caption_baselines": {}, "unknown_words": {"learn": None, "replace": "copy"}}
    assert without_training(own, chosen).keys() == {"captions", "unknown_words"}
    assert "caption_baselines is left out, as it needs the training data" in capsys.readouterr().out
    for choice in ({"baselines": True}, {"reports": {"caption_baselines": {}}}):
        with pytest.raises(UserError, match=r"^baselines=true needs the training data: data\.train=FILES$"):
            without_training(own, {**chosen, **choice})
    with pytest.raises(UserError, match=r"^learn_dictionary=d\.tsv needs the training data: data\.train="):
        without_training({"unknown_words": {"learn": "d.tsv"}}, chosen)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ("stream", 10)),
        (["data.batch_by=sentences"], ("sentences", 35)),
        (["data.window=7"], ("stream", 7)),
    ],
)
def test_plain_text_is_read_as_in_training_unless_it_is_to_be_otherwise(
    composed, options: list[str], expected: tuple[str, int], capsys
) -> None:
    learnt = {"batch_by": "stream", "window": 10, "document": "block", "batch_size": 8}
    parts = {"config": {"seed": 7, "data": learnt}, "description": {"language_code": "en"}}
    given = ["data=plain_text", "+data.tests.mine=a", *options]
    settings = data_settings(composed("evaluate", "ckpt=any", *given), parts, given)
    assert (settings["batch_by"], settings["window"]) == expected
    assert settings["document"] == "block" and settings["batch_size"] == 64
    if not options:
        said = "data.batch_by=stream data.window=10 data.document=block, as in training"
        assert said in capsys.readouterr().err.splitlines()


def test_batches_of_tokens_in_training_say_nothing_of_tests(composed, capsys) -> None:
    parts = {"config": {"data": {"batch_by": "tokens", "window": 10}}, "description": {"language_code": "en"}}
    given = ["data=plain_text", "+data.tests.mine=a"]
    settings = data_settings(composed("evaluate", "ckpt=any", *given), parts, given)
    assert (settings["batch_by"], settings["window"]) == ("sentences", 35)
    assert capsys.readouterr().err == ""


def test_data_of_another_direction_do_not_take_a_checkpoint_s_languages(composed) -> None:
    data = build(settings_of(composed, "data=multi30k"), "data")
    data.use(LANGUAGES)  # a checkpoint that is too old to name them
    with pytest.raises(
        UserError, match=r"data\.source=en: the checkpoint has learnt de; say data\.source=de"
    ):
        data.use({**LANGUAGES, **NAMES})


def test_scores_that_are_no_numbers_are_refused_by_their_test_set() -> None:
    require_likelihoods({"test": {"perplexity": 3.0, "b_precision": float("nan")}})
    with pytest.raises(UserError, match="test_2017: the perplexity is no number"):
        require_likelihoods({"test": {"perplexity": 3.0}, "test_2017": {"perplexity": float("nan")}})


def test_the_values_of_searches_that_can_be_changed_are_all_there_are() -> None:
    values = OmegaConf.load(CONF / "search_values.yaml")
    assert set(values.values()) == {None}
    assert values.keys() == {field.name for kind in SEARCHES.values() for field in fields(kind)}
    assert {path.stem for path in (CONF / "search").glob("*.yaml")} == SEARCHES.keys()


def test_products_are_as_precise_as_in_training_unless_they_are_to_be_otherwise(composed) -> None:
    learnt = {"trainer": OmegaConf.to_container(composed("train").trainer)}
    assert learnt["trainer"]["float32_matmul"] == "high"  # of the relational model
    for options, expected in (([], "high"), (["trainer.float32_matmul=highest"], "highest")):
        trainer = composed("evaluate", "ckpt=any", *options).trainer
        assert as_precise(trainer, learnt)["float32_matmul"] == expected
    assert as_precise(composed("evaluate", "ckpt=any").trainer, {})["float32_matmul"] == "medium"
