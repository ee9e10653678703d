"""What the tree promises about itself: floors, one builder, small files, configs that mean something."""

import ast
import configparser
import importlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
PACKAGE = "seq2scene"
MODULES = sorted(SOURCE.rglob("*.py"))
CONFIGS = sorted((ROOT / "conf").rglob("*.yaml"))

# A module imports from its own part and from the floors below it.
FLOORS = (
    {"errors", "json_text"},
    {"building", "caching"},
    {"sequences"},
    {"scenes"},
    {"compositing"},
    {"attention"},
    {"nets"},
    {"search", "metrics", "plotting"},
    {"data"},
    {"tasks"},
    {"running"},
    {"entry points"},
)
FLOOR = {part: floor for floor, parts in enumerate(FLOORS) for part in parts}

# Keys beside a _target_ that our code takes out before it builds, by group.
READ_BY_CODE = {"trainer": {"float32_matmul"}, "task": {"name"}, "schedule": {"interval", "monitor"}}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(module: Path) -> Iterator[str]:
    """Full names of what a module imports, wherever in it."""
    package = module.relative_to(SOURCE).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            start = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{start}.{alias.name}" for alias in node.names)


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


def test_every_part_of_the_package_has_a_floor():
    parts = {part(module) for module in MODULES} - {"__init__"}
    assert parts <= FLOOR.keys()


@pytest.mark.parametrize("module", [m for m in MODULES if part(m) != "__init__"], ids=name)
def test_imports_go_down(module):
    mine = part(module)
    ours = {found.split(".")[1] for found in imports(module) if found.startswith(f"{PACKAGE}.")}
    upward = {other for other in ours - {mine} if FLOOR[other] >= FLOOR[mine]}
    assert not upward, f"{mine} imports {upward}"


def test_tasks_know_no_data_set():
    for module in (SOURCE / PACKAGE / "tasks").rglob("*.py"):
        assert not [found for found in imports(module) if found.startswith(f"{PACKAGE}.data")], name(module)


def test_nobody_calls_instantiate():
    """Hydra's would call whatever a config names, with interpolations resolved; ``build`` is our own."""
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            called = getattr(node, "attr", getattr(node, "id", ""))
            imported = [alias.name for alias in getattr(node, "names", []) if isinstance(alias, ast.alias)]
            assert called != "instantiate" and "instantiate" not in imported, name(module)


def test_one_place_writes_json():
    """So that no file holds a NaN, which is none."""
    for path in [*MODULES, *(ROOT / "benchmarks").glob("*.py")]:
        calls = re.findall(r"\bjson\.dumps?\(", path.read_text(encoding="utf-8"))
        assert not calls or path.name == "json_text.py", name(path)


def test_lightning_has_one_root():
    """``lightning`` and ``pytorch_lightning`` hold the same classes twice, and one refuses the other's."""
    for module in MODULES:
        assert not [found for found in imports(module) if found.split(".")[0] == "lightning"], name(module)


def test_what_is_imported_is_declared():
    declared = configparser.ConfigParser()
    declared.read(ROOT / "setup.cfg", encoding="utf-8")
    required = declared["options"]["install_requires"].split("\n")
    known = {re.split(r"[<>=]", line)[0].lower() for line in required if line}
    distributions = packages_distributions()
    local = {module.stem for module in SOURCE.glob("*.py")} | {PACKAGE}
    for module in MODULES:
        roots = {found.split(".")[0] for found in imports(module)} - local - sys.stdlib_module_names
        for root in roots:
            offers = {offer.lower().replace("_", "-") for offer in distributions.get(root, [root])}
            assert offers & known, f"{name(module)} imports {root}, which setup.cfg does not require"


def test_the_pins_lie_in_the_ranges():
    requirements = pytest.importorskip("packaging.requirements")
    declared = configparser.ConfigParser()
    declared.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = declared["options"]["install_requires"] + declared["options.extras_require"]["dev"]
    pins = dict(
        re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M)
    )
    for wanted in map(requirements.Requirement, lines.split()):
        assert pins[wanted.name] in wanted.specifier, wanted


def test_files_stay_small():
    long = {name(module): len(module.read_text(encoding="utf-8").splitlines()) for module in MODULES}
    assert not {module: lines for module, lines in long.items() if lines > 450}


@pytest.mark.parametrize("path", CONFIGS, ids=name)
def test_a_config_parses_and_its_targets_take_its_keys(path):
    config = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    config.pop("defaults", None)  # Hydra's own, which it takes out itself
    for described in targets(config):
        target = described["_target_"]
        module, _, attribute = target.rpartition(".")
        parameters = inspect.signature(getattr(importlib.import_module(module), attribute)).parameters
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            continue
        read = READ_BY_CODE.get(path.parent.name, set())
        keys = {key for key in described if not key.startswith("_")}
        assert keys - read <= parameters.keys(), f"{target} does not take {keys - read - parameters.keys()}"
