"""Options that do not apply to a task are refused before anything is loaded."""

from collections.abc import Mapping
from typing import Any

from seq2scene.errors import UserError


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
