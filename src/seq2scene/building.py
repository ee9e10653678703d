"""From configuration to objects: the only place where a ``_target_`` is built.

Configs also arrive inside checkpoints, so names are not trusted: a target must be on an allowlist. A class of
this project is allowed under the name it is defined by, if it derives from the base of its group; functions,
and anything from a library, only if listed below by full name. Attribute chains are not followed, and Hydra's
``instantiate`` is not used: there are no positional arguments, no partial calls, and no interpolation is ever
resolved here.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from seq2scene.errors import UserError

OWN = "seq2scene."
LISTS = (list, tuple, Sequence)


@dataclass(frozen=True)
class Kind:
    """What a config group may build, nested parts included. base: full name of the base class of this
    project's classes. listed: full names of functions of this project and of library classes.
    """

    what: str
    base: str | None = None
    listed: tuple[str, ...] = ()


def _of(module: str, names: str) -> tuple[str, ...]:
    return tuple(f"{module}.{name}" for name in names.split())


PART = Kind(
    "part of a model",
    "torch.nn.modules.module.Module",
    ("seq2scene.attention.no_attention", "seq2scene.nets.scene.scene_decoder.no_canvas"),
)
SEARCH = Kind("search", "seq2scene.search.constraints.Constraints")
KINDS = {  # by group; a config of any other group describes a part of a model
    "task": Kind("task", "seq2scene.tasks.task.Task"),
    "data": Kind(
        "data module",
        "pytorch_lightning.core.datamodule.LightningDataModule",
        ("seq2scene.nets.vision.image_encoder.ImageEncoder",),
    ),
    "search": SEARCH,
    "val_search": SEARCH,
    "scores": Kind("score", "torchmetrics.metric.Metric"),
    "reports": Kind("report", "seq2scene.reports.report.Report"),
    "optimizer": Kind(
        "optimizer",
        listed=_of(
            "torch.optim",
            "ASGD Adadelta Adafactor Adagrad Adam AdamW Adamax NAdam RAdam RMSprop Rprop SGD",
        ),
    ),
    "schedule": Kind(
        "schedule",
        listed=_of("seq2scene.tasks.schedules", "constant halving luong234 warm_up warm_up_cosine")
        + _of(
            "torch.optim.lr_scheduler",
            "ConstantLR CosineAnnealingLR CosineAnnealingWarmRestarts CyclicLR ExponentialLR LinearLR "
            "MultiStepLR OneCycleLR PolynomialLR ReduceLROnPlateau StepLR",
        ),
    ),
    "callbacks": Kind(
        "callback",
        "pytorch_lightning.callbacks.callback.Callback",
        _of(
            "pytorch_lightning.callbacks",
            "DeviceStatsMonitor EMAWeightAveraging EarlyStopping GradientAccumulationScheduler "
            "LearningRateMonitor ModelCheckpoint ModelSummary OnExceptionCheckpoint RichModelSummary "
            "RichProgressBar SpikeDetection StochasticWeightAveraging TQDMProgressBar ThroughputMonitor "
            "Timer WeightAveraging",
        ),
    ),
    "logger": Kind(
        "logger",
        listed=(
            "seq2scene.running.wandb_runs.wandb_logger",
            "seq2scene.running.metrics_file.MetricsFile",
            *_of(
                "pytorch_lightning.loggers",
                "CSVLogger CometLogger MLFlowLogger TensorBoardLogger WandbLogger",
            ),
        ),
    ),
    "trainer": Kind(
        "trainer, strategy, plugin or profiler",
        listed=(
            "pytorch_lightning.Trainer",
            *_of(
                "pytorch_lightning.strategies",
                "DDPStrategy DeepSpeedStrategy FSDPStrategy ModelParallelStrategy SingleDeviceStrategy",
            ),
            *_of(
                "pytorch_lightning.plugins",
                "AsyncCheckpointIO BitsandbytesPrecision DeepSpeedPrecision DoublePrecision FSDPPrecision "
                "HalfPrecision MixedPrecision TorchSyncBatchNorm TransformerEnginePrecision",
            ),
            *_of("pytorch_lightning.profilers", "AdvancedProfiler PyTorchProfiler SimpleProfiler"),
        ),
    ),
    "prepare": Kind("check of a data set", listed=("seq2scene.data.scenes.abstract_counts.verify_counts",)),
}


def build(config: Mapping[str, Any], where: str = "", /, **arguments: Any) -> Any:
    """Calls the ``_target_`` of a plain config with its other keys and ``arguments``; parts nested in its
    values are built first.

    where: the config key, for messages; its first component is the group, which determines what may be built
    (``KINDS``). All parts are checked before the first is built.

    Raises UserError if a target is not allowed in its group or cannot be found, a key is not one of its
    parameters, or a value does not have the parameter's declared type.
    """
    if not isinstance(config, Mapping):
        raise UserError(f"{where}={config} has no _target_; choose an option of the group {where}")
    if "_target_" not in config:
        raise UserError(f"{where or 'config'} has no _target_; choose an option of the group {where}")
    found = [(find(part["_target_"], place), part, place) for place, part in _parts(config, where)]
    for target, part, place in found:
        _check(target, part, place)
    return _make(config, where, arguments)


def find(target: Any, where: str = "") -> Any:
    """The object that a ``_target_`` names; only modules of this project and listed ones are imported.

    Raises UserError if it may not be built at the config key ``where``, or does not exist.
    """
    kind, place = KINDS.get(where.split(".")[0], PART), where or "config"
    module, _, name = target.rpartition(".") if isinstance(target, str) else ("", "", "")
    own = module.startswith(OWN) and all(map(str.isidentifier, target.split(".")))
    if target not in kind.listed and not (own and kind.base):
        raise UserError(f"{place}: _target_={target} may not be built here; {_allowed(kind)}")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{place}: cannot build {target}: {error}") from None
    if target not in kind.listed and not _is_a(found, target, kind.base):
        raise UserError(f"{place}: _target_={target} may not be built here; {_allowed(kind)}")
    return found


def _is_a(found: Any, target: str, base: str | None) -> bool:
    """Whether it is a class defined under exactly this name and derived from ``base``."""
    return (
        inspect.isclass(found) and _name(found) == target and any(_name(one) == base for one in found.__mro__)
    )


def _name(found: type) -> str:
    return f"{found.__module__}.{found.__qualname__}"


def _allowed(kind: Kind) -> str:
    """What may be built instead, and how to add more."""
    choices = ", ".join(kind.listed)
    if kind.base is None:
        return f"a {kind.what} is one of {choices} (KINDS in seq2scene/building.py lists them)"
    own = f"a {kind.what} is a class under src/seq2scene that derives from {kind.base.rpartition('.')[2]}"
    return f"{own}, where your own go, too" + (f", or one of {choices}" if choices else "")


def _parts(config: Any, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every config with a ``_target_``, at any depth, with its key."""
    if isinstance(config, Mapping):
        if "_target_" in config:
            yield where, config
        for key, value in config.items():
            yield from _parts(value, f"{where}.{key}" if where else str(key))
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _parts(value, where)


def _make(config: Any, where: str, arguments: Mapping[str, Any]) -> Any:
    """The config with all its parts built; plain values are passed unchanged."""
    if isinstance(config, list | tuple):
        return [_make(value, where, {}) for value in config]
    if not isinstance(config, Mapping):
        return config
    made = {
        key: _make(value, f"{where}.{key}" if where else str(key), {})
        for key, value in config.items()
        if key not in arguments
    }
    settings = {**made, **arguments}
    if "_target_" not in config:
        return settings
    name = settings.pop("_target_")
    target = find(name, where)
    try:
        return target(**settings)
    except Exception as error:
        if not _is_refusal(error) or (name.startswith(OWN) and not _lacks(target, settings)):
            raise  # our own parts raise UserError for user errors; anything else is a bug
        raise UserError(f"{where or name}: {error}") from error


def _is_refusal(error: Exception) -> bool:
    """Whether the error means that a part rejects its arguments. Lightning's own error is recognised by name,
    as using a model must not import Lightning.
    """
    refusals = TypeError, ValueError, ImportError
    return isinstance(error, refusals) or type(error).__name__ == "MisconfigurationException"


def _lacks(target: Any, arguments: Mapping[str, Any]) -> bool:
    """Whether the arguments do not match the signature."""
    try:
        inspect.signature(target).bind(**arguments)
    except TypeError:
        return True
    return False


def _check(target: Any, config: Mapping[str, Any], where: str) -> None:
    """Rejects keys that are not parameters of ``target`` and plain values of the wrong type."""
    parameters: Mapping[str, inspect.Parameter]
    try:
        parameters = inspect.signature(target).parameters
        hints = get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (
        ValueError,
        TypeError,
        NameError,
    ):  # a builtin, or unreadable hints: the call itself will fail
        parameters, hints = {}, {}
    open_ended = not parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for key, value in config.items():
        if key == "_target_":
            continue
        place = f"{where}.{key}" if where else key
        if key not in parameters and (key.startswith("_") or not open_ended):
            raise UserError(f"{place} is not an option; options are {', '.join(parameters)}")
        if value == "???":
            raise UserError(f"{place} is required: set {place}=...")
        if key in hints and not _fits(value, hints[key]):
            raise UserError(f"{place}={_why(value, hints[key])}")


def _why(value: Any, hint: Any) -> str:
    """The value, which does not match the type hint, and what is wrong with it."""
    if get_origin(hint) in LISTS and isinstance(value, list | tuple):
        hint = get_args(hint)[0]
        value = next(one for one in value if not _fits(one, hint))
    elif get_origin(hint) in LISTS:
        return f"{value!r} has the wrong type: it must be a list, as [a,b]"
    if good := _choices(hint):
        return f"{_text(value)} is not a choice; choose one of {', '.join(good)}"
    kind = getattr(hint, "__name__", None) or str(hint)
    return f"{value!r} has the wrong type: it must be {kind}"


def _choices(hint: Any) -> list[str]:
    """The values allowed for a parameter with a closed choice, as written in a config; else none."""
    if get_origin(hint) is Literal:
        return [_text(choice) for choice in get_args(hint)]
    if get_origin(hint) in (Union, UnionType):
        parts = [["null"] if one is NoneType else _choices(one) for one in get_args(hint)]
        return [choice for part in parts for choice in part] if all(parts) else []
    return []


def _text(value: Any) -> str:
    """A value as written in a config."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a plain config value matches a type hint; only plain types are checked."""
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, option) for option in get_args(hint))
    plain = isinstance(value, str | int | float | bool | NoneType)
    if get_origin(hint) is Literal:
        return any(type(value) is type(choice) and value == choice for choice in get_args(hint))
    if get_origin(hint) in LISTS:
        if isinstance(value, list | tuple) and get_origin(get_args(hint)[0]) is Literal:
            return all(_fits(one, get_args(hint)[0]) for one in value)
        return not plain  # a string would be iterated over letter by letter
    if get_origin(hint) is not None or not isinstance(hint, type) or hint is object:
        return True
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint in (str, int, bool, NoneType, list, dict) or plain:
        return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
    return True
