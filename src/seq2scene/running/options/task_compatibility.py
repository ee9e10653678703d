"""Options that do not apply to a task are refused before anything is loaded."""

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from seq2scene.errors import UserError
from seq2scene.running.installation import CONF

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


def updated(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a checkpoint whose ``takes`` has also the options that its task has been given since."""
    files = {path.stem: path for path in (CONF / "task").glob("*.yaml")}  # no others are read
    path = files.get(config["task"]["name"])
    stored, today = config.get("takes", {}), {} if path is None else OmegaConf.load(path)["takes"]
    added = {group: [*good, *(today.get(group) or ())] for group, good in stored.items()}
    return {**config, "takes": {group: list(dict.fromkeys(good)) for group, good in added.items()}}
