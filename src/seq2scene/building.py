"""From configuration to objects: the only place that calls Hydra's ``instantiate``."""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import hydra.utils
from hydra.errors import InstantiationException
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from seq2scene.errors import UserError

# Configs also arrive inside checkpoints: nothing outside these may be called by one.
ALLOWED = (
    "seq2scene.",
    "torch.nn.",
    "torch.optim.",
    "torchmetrics.",
    "pytorch_lightning.callbacks.",
    "pytorch_lightning.loggers.",
    "pytorch_lightning.plugins.",
    "pytorch_lightning.profilers.",
    "pytorch_lightning.strategies.",
    "pytorch_lightning.Trainer",
)


def build(config: Mapping[str, Any], where: str = "", /, **arguments: Any) -> Any:
    """Calls the ``_target_`` of a plain config with its other keys and ``arguments``.

    where: the config key it came from, for messages. Keys that begin with an underscore are Hydra's.

    Raises: UserError: the target is outside the allow-list or cannot be found, a key is none of its
    parameters, or a value is not of the type that the parameter declares.
    """
    if not isinstance(config, Mapping):
        raise UserError(f"{where}={config} has no _target_; choose an option of the group {where}")
    for target in _targets(config):
        if not target.startswith(ALLOWED):
            raise UserError(
                f"{where or 'config'}: _target_={target} may not be built; allowed: {', '.join(ALLOWED)}"
            )
    try:
        target = hydra.utils.get_object(config["_target_"])
        _check(target, config, where)
        with getattr(hydra.utils, "execution_whitelist", lambda _: nullcontext())(list(ALLOWED)):
            partial = hydra.utils.instantiate({**config, "_partial_": True}, _convert_="all")
    except (InstantiationException, ImportError) as error:
        cause = error.__cause__ or error
        if isinstance(cause, UserError):
            raise cause from None
        raise UserError(f"{where or 'config'}: cannot build {config['_target_']}: {cause}") from error
    try:
        return partial(**arguments)
    except (TypeError, ValueError, MisconfigurationException) as error:
        if config["_target_"].startswith("seq2scene."):
            raise  # our own parts say what is wrong with a UserError; anything else is a fault of ours
        raise UserError(f"{where or config['_target_']}: {error}") from error


def _targets(config: Any) -> Iterator[str]:
    """Every ``_target_`` in a config, however deep."""
    if isinstance(config, Mapping):
        if "_target_" in config:
            yield str(config["_target_"])
        for value in config.values():
            yield from _targets(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _targets(value)


def _check(target: Any, config: Mapping[str, Any], where: str) -> None:
    """Refuses keys that are no parameters of ``target`` and plain values of the wrong type."""
    try:
        parameters = inspect.signature(target).parameters
        hints = get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (
        ValueError,
        TypeError,
        NameError,
    ):  # a builtin, or hints that cannot be read: the call itself will tell
        return
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for key, value in config.items():
        if key.startswith("_"):
            continue
        place = f"{where}.{key}" if where else key
        if key not in parameters and not open_ended:
            raise UserError(f"{place} is not an option; options are {', '.join(parameters)}")
        if value == "???":
            raise UserError(f"{place} is required: set {place}=...")
        if key in hints and not _fits(value, hints[key]):
            kind = getattr(hints[key], "__name__", None) or str(hints[key])
            raise UserError(f"{place}={value!r} has the wrong type: it must be {kind}")


def _fits(value: Any, hint: Any) -> bool:
    """Whether a plain config value fits a type hint; anything but the plain types is left to the callee."""
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, option) for option in get_args(hint))
    plain = isinstance(value, str | int | float | bool | NoneType)
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is not None or not isinstance(hint, type) or hint is object:
        return True
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint in (str, int, bool, NoneType, list, dict) or plain:
        return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
    return True
