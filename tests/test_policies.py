"""What the source tree promises: layers, one builder, small files, valid configs."""

import ast
import configparser
import functools
import importlib
import inspect
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from seq2scene.running.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
PACKAGE = "seq2scene"
MODULES = sorted(SOURCE.rglob("*.py"))
CONFIGS = sorted((ROOT / "conf").rglob("*.yaml"))

# A module imports from its own part and from the layers below it.
LAYERS = (
    {"errors", "json_text", "progress"},
    {"unpacking"},
    {"building", "arrays"},
    {"caching"},
    {"sequences"},
    {"scenes"},
    {"compositing"},
    {"attention"},
    {"nets"},
    {"search", "metrics", "plotting"},
    {"models"},
    {"data"},
    {"tasks", "lessons"},
    {"reports", "app"},
    {"running"},
    {"entry points", "__main__"},
)
LAYER = {part: layer for layer, parts in enumerate(LAYERS) for part in parts}

# Keys next to a _target_ that our code removes before building, by group.
READ_BY_CODE = {
    "trainer": {"float32_matmul"},
    "task": {"name"},
    "optimizer": {"lr_of"},
    "schedule": {"interval", "monitor"},
}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def none_of(offenders: Iterable[str]) -> None:
    listed = sorted(offenders)
    assert not listed, "\n".join(["", *listed])


@functools.cache
def nodes(module: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(module.read_text(encoding="utf-8"))))


@functools.cache
def imports(module: Path) -> set[str]:
    """Full names of all that a module imports, anywhere in it."""
    package, found = module.relative_to(SOURCE).with_suffix("").parts[:-1], set()
    for node in nodes(module):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            start = ".".join([*base, *([node.module] if node.module else [])])
            found.update(f"{start}.{alias.name}" for alias in node.names)
    return found


def part(module: Path) -> str:
    inside = module.relative_to(SOURCE).with_suffix("").parts
    return inside[1] if inside[0] == PACKAGE and len(inside) > 1 else "entry points"


def targets(config: object) -> Iterator[Mapping[str, object]]:
    """Every mapping with a ``_target_``, however deep."""
    values = config.values() if isinstance(config, Mapping) else config if isinstance(config, list) else ()
    if isinstance(config, Mapping) and "_target_" in config:
        yield config
    for value in values:
        yield from targets(value)


def test_every_part_of_the_package_has_a_layer():
    parts = {part(module) for module in MODULES} - {"__init__"}
    assert parts <= LAYER.keys()


def test_imports_go_down():
    upward = []
    for module in MODULES:
        mine = part(module)
        found = imports(module)
        ours = {one.split(".")[1] for one in found if one.startswith(f"{PACKAGE}.")}
        others = ours - {mine} if mine != "__init__" else set()
        upward += [f"{name(module)}: {other}" for other in others if LAYER[other] >= LAYER[mine]]
    none_of(upward)


def test_tasks_know_no_data_set():
    modules = list((SOURCE / PACKAGE / "tasks").rglob("*.py"))
    assert modules
    found = [f"{name(m)}: {other}" for m in modules for other in imports(m)]
    none_of(one for one in found if f": {PACKAGE}.data" in one)


def test_the_loop_over_test_sets_knows_no_kind_of_task():
    """A new task brings its scores and chooses its reports; evaluation needs no change."""
    evaluation = imports(SOURCE / PACKAGE / "running" / "commands" / "evaluation.py")
    tasks = {
        one.removeprefix(f"{PACKAGE}.tasks.") for one in evaluation if one.startswith(f"{PACKAGE}.tasks")
    }
    assert {one for one in tasks if not one.startswith("loading.")} == {"task.Task"}


def test_the_page_asks_models_only():
    """It trains nothing and knows no command; of the data it reads the park's language, to check texts."""
    modules = list((SOURCE / PACKAGE / "app").rglob("*.py"))
    assert modules
    allowed = ("app", "models", "scenes", "search.", "compositing", "errors", "json_text", "plotting")
    starts = tuple(f"{PACKAGE}.{part}" for part in (*allowed, "data.park.language.", "data.park.world"))
    found = [f"{name(m)}: {other}" for m in modules for other in imports(m) if other.startswith(PACKAGE)]
    none_of(one for one in found if not one.split(": ")[1].startswith(starts))


def test_the_page_asks_no_other_server_and_inserts_no_markup():
    static = SOURCE / PACKAGE / "app" / "static"
    files = [path for path in static.rglob("*.*") if path.suffix in (".js", ".css", ".html", ".svg")]
    assert files
    forbidden = re.compile(
        r"""innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"""
        r"""|\bon\w+=["']|style=["']|(?:src|href|from|import|url)\W{1,3}(?:https?:)?//"""
    )
    none_of(
        f"{name(path)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if forbidden.search(line)
    )


def test_nobody_calls_instantiate():
    """Hydra's would call whatever a config names, with interpolations resolved; ``build`` is our own."""
    calling = []
    for module in MODULES:
        for node in nodes(module):
            called = getattr(node, "attr", getattr(node, "id", ""))
            imported = [alias.name for alias in getattr(node, "names", []) if isinstance(alias, ast.alias)]
            if "instantiate" in (called, *imported):
                calling.append(f"{name(module)}:{node.lineno}")
    none_of(calling)


def test_one_place_writes_json():
    """So that no file has a NaN, which is not JSON."""
    paths = [*MODULES, *(ROOT / "benchmarks").glob("*.py")]
    writing = [p for p in paths if re.search(r"\bjson\.dumps?\(", p.read_text(encoding="utf-8"))]
    none_of(name(path) for path in writing if path.name != "json_text.py")


def test_lightning_has_one_root():
    """``lightning`` and ``pytorch_lightning`` have the same classes twice, and each refuses the other's."""
    roots = {name(module): {found.split(".")[0] for found in imports(module)} for module in MODULES}
    none_of(module for module, found in roots.items() if "lightning" in found)


def test_figures_are_drawn_without_pyplot():
    """It keeps every figure in memory until it is closed."""
    none_of(name(module) for module in MODULES if "matplotlib.pyplot" in imports(module))


def test_what_is_imported_is_declared():
    declared = configparser.ConfigParser()
    declared.read(ROOT / "setup.cfg", encoding="utf-8")
    required = declared["options"]["install_requires"].split("\n")
    known = {re.split(r"[<>=]", line)[0].lower() for line in required if line}
    distributions = packages_distributions()
    local = {module.stem for module in SOURCE.glob("*.py")} | {PACKAGE}
    missing = []
    for module in MODULES:
        roots = {found.split(".")[0] for found in imports(module)} - local - sys.stdlib_module_names
        for root in roots:
            offers = {offer.lower().replace("_", "-") for offer in distributions.get(root, [root])}
            if not offers & known:
                missing.append(f"{name(module)} imports {root}, which setup.cfg does not require")
    none_of(missing)


def test_the_pins_lie_in_the_ranges():
    requirements = pytest.importorskip("packaging.requirements")
    declared = configparser.ConfigParser()
    declared.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = declared["options.extras_require"]
    lines = "\n".join([declared["options"]["install_requires"], extras["dev"], extras["docs"]])
    pins = dict(
        re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M)
    )
    wanted = list(map(requirements.Requirement, lines.split()))
    none_of(str(w) for w in wanted if w.name not in pins or pins[w.name] not in w.specifier)


def test_data_files_of_the_package_are_declared_so_that_they_are_installed():
    declared = configparser.ConfigParser()
    declared.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = {
        path
        for package, patterns in declared["options.package_data"].items()
        for pattern in patterns.split()
        for path in SOURCE.joinpath(*package.split(".")).glob(pattern)
    }
    files = {path for path in (SOURCE / PACKAGE).rglob("*") if path.is_file()}
    none_of(name(path) for path in files - listed if path.suffix not in (".py", ".pyc"))


def test_every_command_has_a_script_and_options_and_a_function():
    assert {path.stem for path in SOURCE.glob("*.py")} == COMMANDS.keys()
    assert COMMANDS.keys() <= {path.stem for path in (ROOT / "conf").glob("*.yaml")}
    for command in COMMANDS.values():
        module, _, function = command.function.rpartition(".")
        assert list(inspect.signature(getattr(importlib.import_module(module), function)).parameters) == [
            "cfg"
        ]


def test_files_stay_small():
    lines = {name(module): len(module.read_text(encoding="utf-8").splitlines()) for module in MODULES}
    none_of(f"{module}: {count} lines" for module, count in lines.items() if count > 450)


def faults(path: Path) -> Iterator[str]:
    """The keys of a config that its classes and functions do not accept."""
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        yield f"{name(path)}: {error}"
        return
    config.pop("defaults", None)  # Hydra's own, which it removes itself
    for described in targets(config):
        target = described["_target_"]
        module, _, attribute = target.rpartition(".")
        try:
            parameters = inspect.signature(getattr(importlib.import_module(module), attribute)).parameters
        except (ImportError, AttributeError) as error:
            yield f"{name(path)}: {target}: {error}"
            continue
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            continue
        keys = {key for key in described if not key.startswith("_")}
        for key in sorted(keys - READ_BY_CODE.get(path.parent.name, set()) - parameters.keys()):
            yield f"{name(path)}: {target} does not take {key}"


def test_configs_parse_and_their_targets_take_their_keys():
    assert CONFIGS
    none_of(fault for path in CONFIGS for fault in faults(path))


def test_files_of_tests_have_names_of_their_own():
    """They are imported by base name, so a second file of the same name would be skipped."""
    paths = [path for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    none_of(base for base, count in Counter(path.name for path in paths).items() if count > 1)
