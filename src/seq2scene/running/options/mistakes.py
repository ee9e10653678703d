"""What is wrong with a command line that Hydra cannot compose, in a line: the option or choice that does not
exist, and the nearest that do; a value that cannot be read; a file of the user's with a mistake.

Hydra's exceptions hardly say which argument they are about. So its arguments are gone through in the order in
which Hydra uses them: its grammar, the choices of groups, the groups together, and then the keys of options.
"""

import re
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import yaml
from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seq2scene.errors import UserError
from seq2scene.running.installation import CONF
from seq2scene.running.options.added_keys import instead, line_with
from seq2scene.running.options.bounds import DROPPABLE, check_dropped
from seq2scene.running.options.nearest import at, nearest, or_other

# What Hydra raises for mistakes of its users
MISTAKES = (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError)
LISTED = 40  # choices; of more, those in subgroups are not
QUOTED = re.compile(r"""\\.|'(?:\\.|[^\\'])*'|"(?:\\.|[^\\"])*\"""", re.DOTALL)
UNMATCHED = re.compile(r"In '.*': Could not override '(?:.*/)?([^/@']+)(@[^']*)?")  # Hydra, of a file
PAIR = re.compile(r"\[[^][(){}]*\]|\([^][(){}]*\)|\{[^][(){}]*\}")


def read_arguments(arguments: Sequence[str]) -> Namespace:
    """A command line as Hydra reads it: ``overrides``, ``multirun``, ``config_dir``, ``config_name``, ...

    Raises UserError for an argument that is not an option of Hydra's, or out of place.
    """
    given, unknown = get_args_parser().parse_known_args(arguments)
    for one in unknown:
        if not one.startswith("-"):
            raise UserError(f"{one}: give -m, --cfg and the like before all KEY=VALUE, or after them")
        meant = f": {one.lstrip('-')}" if "=" in one else ""
        raise UserError(f"{one}: options are KEY=VALUE, without dashes{meant}")
    return given


def explain(error: Exception, command: str, given: Namespace) -> NoReturn:
    """Raises UserError: what is wrong with the arguments ``given`` to a command, for which Hydra raised
    ``error``.
    """
    match error:
        case OverrideParseException():
            raise UserError(_unreadable(error.override)) from error
        case yaml.MarkedYAMLError(problem_mark=mark) if mark is not None:
            raise UserError(f"{mark.name}, line {mark.line + 1}: {error.problem}") from error
    with initialize_config_dir(str(CONF), version_base="1.3"):
        _check(command, given)
    if isinstance(error, OmegaConfBaseException):
        raise UserError(f"{error.full_key}: {str(error).splitlines()[0]}") from error
    said = str(error).partition("Config search path:")[0].split("\n")
    if isinstance(error.__cause__, OmegaConfBaseException):
        said.append(str(error.__cause__).partition("\n")[0])
    raise UserError(" ".join(filter(None, map(str.strip, said)))) from error


def _unreadable(override: str) -> str:
    """Why Hydra's grammar does not read an override."""
    key, equals, value = override.partition("=")
    if not equals:
        return f"{override}: options are KEY=VALUE"
    left, quoted = QUOTED.sub("", value), value.replace("'", "\\'")
    while (fewer := PAIR.sub("", left)) != left:
        left = fewer
    for sign in re.findall(r"""['"]""", left) or re.findall(r"[][(){}]", left):
        return f"{override}: a {sign} has no counterpart; if it belongs to the value: \"{key}='{quoted}'\""
    return f"{override}: a value with such characters needs quotes: \"{key}='{quoted}'\""


def _check(command: str, given: Namespace) -> None:
    """Raises UserError for the first mistake in the arguments of a command."""
    name, folder = given.config_name or command, given.config_dir
    if folder and not Path(folder).is_dir():
        raise UserError(f"--config-dir {folder}: no such folder")
    overrides = OverridesParser.create().parse_overrides(given.overrides)
    places = [f"hydra.searchpath=[{_quoted(Path(folder))}]"] if folder else []
    places += [_line(one) for one in overrides if one.key_or_group == "hydra.searchpath"][-1:]
    groups = [one for one in overrides if _options(one.key_or_group, name, places)]
    for one in groups:
        _check_choice(one, _options(one.key_or_group, name, places))
    sweep = given.multirun or "hydra.mode=MULTIRUN" in given.overrides
    for one in overrides:
        if one.is_sweep_override() and not sweep:
            raise UserError(_several(one))
    chosen = [line for one in groups for line in _first(one)]
    config = _composed(command, name, chosen, places, folder)
    if config is None:
        return
    known = OmegaConf.to_container(config, resolve=False)
    choices = config.hydra.runtime.choices
    known = {**{group: {} for group in choices if "@" not in group and "/" not in group}, **known}
    for one in overrides:
        if one not in groups:
            _check_key(one, known)
    check_dropped(given.overrides)


def _options(group: str, name: str, places: Sequence[str]) -> list[str]:
    """The choices of a config group, with those of its subgroups (``text2scene/layout``); none if there is no
    such group. name: of the primary config. places: overrides that add to where configs are searched.
    """
    get = GlobalHydra.instance().config_loader().get_group_options
    found = get(group, ObjectType.CONFIG, name, list(places))
    for below in get(group, ObjectType.GROUP, name, list(places)):
        found += [f"{below}/{one}" for one in _options(f"{group}/{below}", name, places)]
    return found


def _line(override: Override) -> str:
    return str(override.input_line)


def _shown(override: Override) -> str:
    """An override without quotes, which may be ours."""
    return re.sub(r"\\(')|'", r"\1", _line(override))


def _key(line: str) -> str:
    return line.lstrip("+~").partition("=")[0]


def _quoted(folder: Path) -> str:
    return "'file://" + str(folder.resolve()).replace("'", "\\'") + "'"


def _check_choice(override: Override, good: Sequence[str]) -> None:
    group, line = override.key_or_group, _shown(override)
    if override.is_force_add():
        raise UserError(f"{line}: leave out the ++")
    if override.is_delete() or isinstance(override.value(), Mapping):
        return
    for value in _values(override):
        if value is None and group in DROPPABLE:
            raise UserError(f"{line}: ~{group} leaves it out")
        if value not in good and not str(value).startswith("["):
            typed = "null" if value is None else value
            raise UserError(f"{group}={typed} is not a choice; {_choices(str(value), good)}")


def _values(override: Override) -> list[Any]:
    """The values of an override, each of a sweep, each element of a list."""
    swept = override.is_discrete_sweep()
    values = [text.strip("'\"") for text in override.sweep_string_iterator()] if swept else [override.value()]
    return [one for value in values for one in (value if isinstance(value, list) else [value])]


def _choices(name: str, good: Sequence[str]) -> str:
    if near := nearest(name, good):
        return or_other(near)
    if len(good) > LISTED:
        good = [re.sub("/.*", "/...", one) for one in good]
    return f"choose one of {', '.join(sorted(set(good)))}"


def _several(override: Override) -> str:
    key, _, value = _shown(override).partition("=")
    if "(" in value:
        return f"{key}={value}: a sweep needs -m"
    return f"{key}={value}: a sweep needs -m; a list is {key}=[{value}], a text \"{key}='{value}'\""


def _first(override: Override) -> Iterator[str]:
    """A group's override in the first job of a sweep."""
    if not override.is_sweep_override():
        yield _line(override)
    elif override.is_discrete_sweep():
        yield f"{override.get_key_element()}={next(iter(override.sweep_string_iterator()))}"


def _composed(
    command: str, name: str, chosen: Sequence[str], places: Sequence[str], folder: str | None
) -> DictConfig | None:
    """The config of the chosen groups alone; None if it cannot be composed for an unknown reason.

    Raises UserError if a choice is out of place, or a file in the user's ``folder`` makes one that there is
    not.
    """
    try:
        return compose(name, [*chosen, *places], return_hydra_config=True)
    except MissingConfigException as error:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        if not group:
            raise UserError(f"--config-name {option}: there is no {option}.yaml among the configs") from None
        said = f"{group}={option} is not a choice; {_choices(option, _options(group, name, places))}"
        naming = rf"\b{re.escape(group.rpartition('/')[2])}\b.*\b{re.escape(option)}\b"
        raise UserError((line_with(naming, folder) if folder else "") + said) from None
    except MISTAKES as error:
        if folder and (found := UNMATCHED.match(str(error))):
            _check_override(found[1], found[2] or "", _options(found[1], name, places), folder)
    for line in chosen:
        others = [other for other in chosen if other != line]
        with suppress(*MISTAKES):
            choices = compose(name, [*others, *places], return_hydra_config=True).hydra.runtime.choices
            if line.startswith(("+", "~")) or _key(line) not in choices:
                known = {one: choice for one, choice in choices.items() if not one.startswith("hydra/")}
                raise UserError(f"{line}: {_out_of_place(line, command, known)}")
            break  # the mistake is in the file that it chooses
    return None


def _check_override(group: str, package: str, options: Sequence[str], folder: str) -> None:
    """Raises UserError if a config in the user's ``folder`` overrides a group that nothing has chosen, or not
    for that ``package``: "@x", or "".
    """
    for key in (group + package, group):  # Hydra names a package where the file need not
        pattern = re.escape(key)
        from_top, from_here = (line_with(rf"\boverride {sign}{pattern}\b", folder) for sign in ("/", ""))
        if from_top or from_here:
            break
    if not options and (from_top or from_here):
        groups = sorted(one.name for one in CONF.iterdir() if one.is_dir())
        near = nearest(group, groups)
        said = or_other(near) if near else f"groups are {', '.join(groups)}"
        raise UserError(f"{from_top or from_here}{group} is not a group; {said}")
    if from_here:
        raise UserError(f"{from_here}override {key}: write override /{key}")
    if from_top:
        raise UserError(f"{from_top}override /{key}: the task takes no {key}")


def _out_of_place(line: str, command: str, choices: Mapping[str, Any]) -> str:
    """Why the groups that are chosen otherwise have no place for the choice of another."""
    key = _key(line)
    if key in choices:
        return f"{key} is {choices[key]}" if line.startswith("~") else "it is chosen already; leave out the +"
    if "@" in key and (near := nearest(key, list(choices))):
        return or_other(near)
    who = f"task={choices['task']}" if "task" in choices else f"{command}.py"
    return f"{who} takes no {key}; it takes {', '.join(sorted(choices))}"


def _check_key(override: Override, known: Mapping[str, Any]) -> None:
    """known: the config without the override."""
    key, line = override.key_or_group, _shown(override)
    value, there = at(known, key)
    if override.package is not None:
        raise UserError(f"{line}: {key} is not a group{instead(key, known)}")
    if override.is_delete() and there:
        if override.value() not in (None, value):
            raise UserError(f"{line}: {key} is {value}")
    elif override.is_add():
        if there and value is not None and not isinstance(override.value(), dict | list):
            raise UserError(f"{line}: {key} is there already; leave out the +")
    elif not there and not override.is_force_add():
        sign = "~" if override.is_delete() else ""
        raise UserError(f"{line}: {key} is not an option{instead(key, known, sign)}")
