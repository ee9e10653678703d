"""Which reports an evaluation writes: the checkpoint's own, changed and joined by those that are chosen."""

from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from seq2scene.errors import UserError
from seq2scene.reports.scene.gallery import Gallery
from seq2scene.running.options.report_choices import (
    CHOOSING,
    SHARED,
    build_reports,
    chosen_reports,
    own_reports,
)
from seq2scene.tasks.captioning import Captioning
from seq2scene.tasks.composites import CompositeTask
from seq2scene.tasks.nmt import NMT
from seq2scene.tasks.task import Task

CONF = Path(__file__).resolve().parents[3] / "conf"
NOTHING = dict.fromkeys((*CHOOSING, *SHARED))
PLACE = "seq2scene.reports"
HYPOTHESES = {"hypotheses": {"_target_": f"{PLACE}.hypotheses.Hypotheses"}}
GALLERY = {"gallery": {"_target_": f"{PLACE}.gallery.Gallery", "count": 40, "inpainter": None}}


@pytest.fixture(autouse=True)
def hydra():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def of(kind: type[Task], reports: dict[str, Any] | None = None, **config: Any) -> Task:
    """A task that is nothing but its config."""
    task = kind.__new__(kind)
    task.config = {"task": {"name": "some"}, "reports": reports or {}, **config}
    return task


def test_a_checkpoint_has_the_reports_of_its_training() -> None:
    assert own_reports({"reports": HYPOTHESES | GALLERY}) == HYPOTHESES | GALLERY
    assert chosen_reports(NOTHING, of(NMT, HYPOTHESES)) == HYPOTHESES
    assert chosen_reports(NOTHING, of(NMT)) == {}


def test_a_checkpoint_names_no_files(capsys) -> None:
    """It may come from anywhere."""
    unknown = {"_target_": f"{PLACE}.unknown_words.UnknownWords", "learn": "/home/me/.profile"}
    assert own_reports({"reports": {**HYPOTHESES, "unknown_words": unknown}}) == HYPOTHESES
    assert "reports=[unknown_words]" in capsys.readouterr().out


@pytest.mark.parametrize("task", sorted(path.stem for path in (CONF / "task").glob("*.yaml")))
def test_a_checkpoint_from_before_reports_has_those_of_its_task(task: str) -> None:
    defaults = OmegaConf.load(CONF / "task" / f"{task}.yaml").defaults
    (names,) = (one["/reports"] for one in defaults if "/reports" in one)
    old = {"task": {"name": task}} | ({"gallery": 7} if "gallery" in names else {})
    found = own_reports(old)
    assert list(found) == names
    assert "gallery" not in names or found["gallery"]["count"] == 7


def test_a_task_that_is_no_option_here_has_no_reports_to_fall_back_on() -> None:
    with pytest.raises(UserError, match="reports: task=elsewhere cannot be composed"):
        own_reports({"task": {"name": "elsewhere"}})


def test_the_group_adds_reports_and_changes_options() -> None:
    added = {"lengths": {"_target_": f"{PLACE}.lengths.Lengths", "width": 3, "group": 200}}
    chosen = {**NOTHING, "reports": {**added, "gallery": {"count": 5, "inpainter": None}}}
    found = chosen_reports(chosen, of(CompositeTask, GALLERY))
    assert found == {"gallery": {**GALLERY["gallery"], "count": 5}, **added}


@pytest.mark.parametrize(
    ("kind", "key", "value", "place"),
    [
        (NMT, "alignments", "forced", "alignments.of"),
        (NMT, "learn_dictionary", "d.tsv", "unknown_words.learn"),
        (NMT, "replace_unk", "copy", "unknown_words.replace"),
        (NMT, "gold", "FILE", "gold_error.gold"),
        (NMT, "sentence_vectors", "FILE", "sentence_vectors.sentences"),
        (NMT, "pictures", 3, "alignments.pictures"),
        (Captioning, "pictures", 3, "caption_pictures.count"),
        (CompositeTask, "captioner", "RUN", "captioned_scenes.captioner"),
        (CompositeTask, "gallery", 3, "gallery.count"),
        (CompositeTask, "realism", "FILE", "realism.weights"),
    ],
)
def test_a_short_form_chooses_a_report_and_sets_its_option(kind, key: str, value: Any, place: str) -> None:
    name, option = place.split(".")
    found = chosen_reports({**NOTHING, key: value}, of(kind))
    assert list(found) == [name] and found[name][option] == value
    build_reports(found)


def test_every_short_form_is_an_option_of_a_report_and_of_the_command() -> None:
    command = OmegaConf.load(CONF / "evaluate.yaml")
    for key, places in {**CHOOSING, **SHARED}.items():
        assert key in command and command[key] in (None, False)
        for place in places:
            name, _, option = place.partition(".")
            config = OmegaConf.load(CONF / "reports" / f"{name}.yaml")[name]
            assert not option or option in config.keys()  # noqa: SIM118  (missing values are no members)


def test_baselines_are_chosen_by_true_alone() -> None:
    for value, names in ((True, ["caption_baselines"]), (False, [])):
        assert list(chosen_reports({**NOTHING, "baselines": value}, of(Captioning))) == names


def test_a_shared_option_goes_to_all_reports_that_are_chosen() -> None:
    chosen = {**NOTHING, "alignments": "search", "gold": "A", "gold_text": "B", "align_shift": 1}
    found = chosen_reports(chosen, of(NMT, HYPOTHESES))
    assert [found[name].get("shift") for name in ("alignments", "gold_error", "hypotheses")] == [1, 1, None]
    assert found["gold_error"]["text"] == "B"


def test_an_inpainter_that_nothing_shows_or_scores_is_refused() -> None:
    inpainted = {**NOTHING, "inpainter": "RUN"}
    assert chosen_reports(inpainted, of(CompositeTask, GALLERY))["gallery"]["inpainter"] == "RUN"
    with pytest.raises(UserError, match=r"inpainter=RUN: no report that takes it is chosen \(gallery, "):
        chosen_reports({**inpainted, "gallery": 0}, of(CompositeTask, GALLERY))
    found = chosen_reports({**inpainted, "gallery": 0, "realism": "FILE"}, of(CompositeTask, GALLERY))
    assert list(found) == ["realism"] and found["realism"]["inpainter"] == "RUN"


def test_what_a_task_does_not_do_is_refused_by_name() -> None:
    task = of(NMT)
    (gallery,) = build_reports(chosen_reports({**NOTHING, "gallery": 5}, task))
    assert isinstance(gallery, Gallery)
    with pytest.raises(UserError, match=r"^gallery: has no meaning with task=some; leave it out"):
        gallery.check(task)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("gallery", {"count": -1}, r"reports\.gallery\.count=-1: it must be a whole number of at least 0"),
        ("caption_pictures", {"count": "many"}, r"reports\.caption_pictures\.count=many: it must be"),
        (
            "alignments",
            {"of": True},
            r"reports\.alignments\.of=true is not a choice; choose one of search",
        ),
        ("alignments", {"colour": 1}, r"reports\.alignments\.colour is not an option; options are of, shift"),
        ("gold_error", {}, r"reports\.gold_error\.gold is required: set reports\.gold_error\.gold=\.\.\."),
    ],
)
def test_a_bad_option_is_refused_by_its_key(name: str, options: dict[str, Any], said: str) -> None:
    config = OmegaConf.to_container(OmegaConf.load(CONF / "reports" / f"{name}.yaml"))
    config[name] = {key: value for key, value in (config[name] | options).items() if value != "${oc.select"}
    with pytest.raises(UserError, match=said):
        build_reports(config)
