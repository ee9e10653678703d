"""Options that mean nothing to a task are refused before anything is loaded."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from seq2scene.errors import UserError
from seq2scene.search.beam import Beam
from seq2scene.search.stepwise import Greedy, Sample

SEARCHES = {"greedy": Greedy, "beam": Beam, "sample": Sample}  # the options of the group search
LIMITS = ("max_ratio", "max_extra", "max_length")  # of outputs: the task's, whichever search is chosen


def check_choices(choices: Mapping[str, str | None], config: Mapping[str, Any]) -> None:
    """Raises UserError unless the option chosen of each group is one that the config's task takes.

    choices: group -> option, as composed, None where there was no choice. ``config.takes`` lists the options
    that mean something, of those groups that the task restricts.
    """
    for group, good in config.get("takes", {}).items():
        if choices.get(group) not in (None, *good):
            raise UserError(
                f"{group}={choices[group]} has no meaning with task={config['task']['name']}; "
                f"choose one of {', '.join(good)}"
            )


def chosen_search(given: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any] | None:
    """The search that a checkpoint's own is replaced by: the one of the group ``search`` that was chosen, but
    with the limits of its own, or its own with other values; None where nothing was chosen.

    given: by option, None what was not chosen; a ``_target_`` where one of the group was. config: the
    checkpoint's.

    Raises:
        UserError: the task searches for nothing, or the search has no such option; it says which one has.
    """
    chosen = {key: value for key, value in given.items() if value is not None}
    if not chosen:
        return None
    if "search" not in config:
        raise UserError(f"search: has no meaning with task={config['task']['name']}; leave it out")
    own = config["search"]
    kept = {key: own[key] for key in LIMITS if key in own} if "_target_" in chosen else own
    search = {**kept, **chosen}
    known = {name: {field.name for field in fields(kind)} for name, kind in SEARCHES.items()}
    named = {f"{kind.__module__}.{kind.__qualname__}": name for name, kind in SEARCHES.items()}
    name = named.get(search.get("_target_"))  # None of another kind, whose options are checked as it is built
    for key in chosen if name else ():
        others = [other for other, options in known.items() if key in options]
        if others and name not in others:
            told = f"search.{key}={chosen[key]}: {name} search has no such option; say search={others[0]} too"
            raise UserError(told)
    return search
