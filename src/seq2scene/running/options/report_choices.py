"""Which reports an evaluation writes: those of the checkpoint's training, and those that are chosen."""

from collections.abc import Mapping
from typing import Any

from hydra import compose
from hydra.errors import HydraException
from omegaconf import OmegaConf

from seq2scene.building import build, find
from seq2scene.errors import UserError
from seq2scene.reports.report import Report
from seq2scene.running.messages import say
from seq2scene.running.options.bounds import check_values
from seq2scene.tasks.task import Task

# The short forms of conf/evaluate.yaml. Each sets an option of a report and chooses the report: where several
# have the option, one that is chosen already, or else the first that applies to the task.
CHOOSING = {
    "alignments": ("alignments.of",),
    "pictures": ("alignments.pictures", "caption_pictures.count"),
    "learn_dictionary": ("unknown_words.learn",),
    "replace_unk": ("unknown_words.replace",),
    "gold": ("gold_error.gold",),
    "sentence_vectors": ("sentence_vectors.sentences",),
    "baselines": ("caption_baselines",),
    "captioner": ("captioned_scenes.captioner",),
    "gallery": ("gallery.count",),
    "realism": ("realism.weights",),
}
# These set an option of the reports that are chosen.
SHARED = {
    "align_shift": ("alignments.shift", "unknown_words.shift", "gold_error.shift"),
    "gold_text": ("gold_error.text",),
    "inpainter": ("gallery.inpainter", "captioned_scenes.inpainter", "realism.inpainter"),
}

Configs = dict[str, dict[str, Any]]  # of reports, by name


def build_reports(configs: Mapping[str, Mapping[str, Any]]) -> list[Report]:
    """The reports of the config group ``reports``. Raises UserError for an option or value that they lack."""
    check_values({"reports": configs})
    return [build(config, f"reports.{name}") for name, config in configs.items()]


def chosen_reports(chosen: Mapping[str, Any], task: Task) -> Configs:
    """The reports on ``task``: its own, changed and joined by those of the group ``reports`` and of the short
    forms in the config ``chosen`` of an evaluation. A report whose ``count`` is 0 is left out.

    Raises:
        UserError: an option is given that none of the chosen reports has.
    """
    reports = own_reports(task.config)
    for name, options in (chosen.get("reports") or {}).items():
        given = {key: value for key, value in options.items() if value is not None}
        reports[name] = {**reports.get(name, {}), **given}
    for key, places in CHOOSING.items():
        if (value := chosen[key]) is not None:
            place = _choose(places, value, reports, task)
            if place is not None:
                _set(reports, place, value)
    reports = {name: config for name, config in reports.items() if config.get("count") != 0}
    for key, places in SHARED.items():
        if (value := chosen[key]) is None:
            continue
        there = [place for place in places if _name(place) in reports]
        if not there:
            raise UserError(
                f"{key}={value}: no report that takes it is chosen ({', '.join(map(_name, places))}); choose "
                "one, or leave it out"
            )
        for place in there:
            _set(reports, place, value)
    return reports


def own_reports(config: Mapping[str, Any]) -> Configs:
    """The reports of a checkpoint's config; where it is older than reports, those of its task today.

    A checkpoint may come from anywhere and must not name files that are read or written. So reports with text
    among their options are left out, and named.
    """
    if "reports" not in config:
        name, gallery = config["task"]["name"], config.get("gallery")
        return _composed(f"task={name}", *([] if gallery is None else [f"gallery={int(gallery)}"]))
    own, left = {}, []
    for name, options in config["reports"].items():
        values = [value for key, value in options.items() if key != "_target_"]
        if all(value is None or isinstance(value, int | float) for value in values):
            own[name] = dict(options)
        else:
            left.append(name)
    if left:
        say(f"reports of training with texts as options are left out: reports=[{','.join(left)}] adds them")
    return own


def _composed(*overrides: str) -> Configs:
    """The reports that training writes when it is told ``overrides``."""
    try:
        return OmegaConf.to_container(compose("train", list(overrides)).reports, resolve=True)
    except HydraException as error:
        reason = " ".join(str(error).split())
        raise UserError(f"reports: {' '.join(overrides)} cannot be composed: {reason}") from error


def _choose(places: tuple[str, ...], value: Any, reports: Configs, task: Task) -> str | None:
    """Which of the ``places`` a short form sets; its report is added to ``reports`` if need be. None where
    nothing is chosen by a number of 0 or by false.
    """
    for place in places:
        if _name(place) in reports:
            return place
    if value in (0, False):
        return None
    known = _composed(f"reports=[{','.join(map(_name, places))}]")
    suited = [place for place in places if _applies(known[_name(place)], task)]
    place = (suited or places)[0]
    reports[_name(place)] = known[_name(place)]
    return place


def _applies(config: Mapping[str, Any], task: Task) -> bool:
    return isinstance(task, find(config["_target_"], "reports").tasks)


def _name(place: str) -> str:
    return place.partition(".")[0]


def _set(reports: Configs, place: str, value: Any) -> None:
    name, _, option = place.partition(".")
    if option:
        reports[name][option] = value
