"""Options that do not apply to a task are refused before anything is loaded."""

from collections.abc import Mapping
from typing import Any

from seq2scene.errors import UserError

BY_MODEL = ("canvas", "grid")  # groups that files of conf/model restrict


def check_choices(choices: Mapping[str, str | None], config: Mapping[str, Any]) -> None:
    """Raises UserError unless the config's task and model accept the option chosen in each group.

    choices: group -> option, as composed, None if nothing was chosen. ``config.takes`` lists the accepted
    options of the groups that the task or the model restricts.
    """
    for group, good in config.get("takes", {}).items():
        if choices.get(group) not in (None, *good):
            who = f"task={config['task']['name']}"
            if group in BY_MODEL:
                who += f" model={choices['model']}"
            listed = f"{'one of ' if len(good) > 1 else ''}{', '.join(good)}"
            raise UserError(f"{group}={choices[group]} has no meaning with {who}; choose {listed}")
