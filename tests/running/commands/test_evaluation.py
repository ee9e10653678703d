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
from seq2scene.running.commands.evaluation import as_precise, data_settings, require_likelihoods
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
    boxes, scenes = ["data.train=a.json", "data.captions=a.csv"], ["data.train=a.csv"]
    needed = {
        "text_files": ["data.source=de", "data.target=en"],
        "plain_text": ["data.language=en"],
        **dict.fromkeys(("boxes", "boxes_captions", "segments"), boxes),
        "segments_inpainting": [option.replace("data.", "data.composites.") for option in boxes],
        **dict.fromkeys(("clip_art", "clip_art_captions"), scenes),
        "photos": ["data.train=[a.csv,photos]"],
    }
    files = {"text_files": "[a,b]", "plain_text": "a"}
    tests = [f"+data.tests.mine={files[data]}"] if data in files else []
    settings = settings_of(composed, f"data={data}", *needed.get(data, []), *tests, description=description)
    encoder = (
        {"encoder": ImageEncoder("squeezenet1_1", "features.3", "none", size=64)}
        if "encoder" in settings
        else {}
    )
    made = build({key: value for key, value in settings.items() if key not in encoder}, "data", **encoder)
    assert made.seed == 7 and made.test_names


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
