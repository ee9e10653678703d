"""Options that do not apply to a task are refused before anything is loaded."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from seq2scene.errors import UserError
from seq2scene.search.beam import Beam
from seq2scene.search.stepwise import Greedy, Sample

SEARCHES = {"greedy": Greedy, "beam": Beam, "sample": Sample}  # the options of group search
LIMITS = ("max_ratio", "max_extra", "max_length")  # of output length: the task's, whichever search is chosen


def check_choices(choices: Mapping[str, str | None], config: Mapping[str, Any]) -> None:
    """Raises UserError unless the config's task accepts the option chosen in each group.

    choices: group -> option, as composed, None if nothing was chosen. ``config.takes`` lists the accepted
    options of the groups that the task restricts.
    """
    for group, good in config.get("takes", {}).items():
        if choices.get(group) not in (None, *good):
            raise UserError(
                f"{group}={choices[group]} has no meaning with task={config['task']['name']}; "
                f"choose one of {', '.join(good)}"
            )


def chosen_search(given: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any] | None:
    """The search that replaces a checkpoint's own: the option chosen in group ``search``, with the
    checkpoint's length limits, or the checkpoint's search with new values; None if nothing was chosen.

    given: values by option, None if not given, with ``_target_`` if an option of the group was chosen.
    config: the checkpoint's.

    Raises:
        UserError: the task does not search, or the search has no such option; the message names one that has.
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
    name = named.get(
        search.get("_target_")
    )  # None for other searches, whose options are checked when they are built
    for key in chosen if name else ():
        others = [other for other, options in known.items() if key in options]
        if others and name not in others:
            raise UserError(
                f"search.{key}={chosen[key]}: {name} search has no such option; use search={others[0]} too"
            )
    return search
