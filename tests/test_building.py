"""Objects come from configs by one door, which opens to parts that are known by what they are."""

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml

from seq2scene.attention import GlobalAttention
from seq2scene.building import KINDS, PART, build, find
from seq2scene.errors import UserError
from seq2scene.search.beam import Beam

GENERAL = {"_target_": "seq2scene.attention.GlobalAttention", "score": "general"}


def test_config_and_arguments_make_an_object() -> None:
    made = build(GENERAL, "attention", query_size=3, memory_size=4)
    assert isinstance(made, GlobalAttention)
    assert made.keys(torch.ones(1, 2, 4)).shape == (1, 2, 3)


OWN = "seq2scene.attention"
REFUSED = "may not be built here|cannot build"
CONF = Path(__file__).resolve().parents[1] / "conf"
EVIL = """
def leave_a_mark(*args, **kwargs):
    open({mark!r}, "w").close()
leave_a_mark()
"""


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[Path]:
    """A file that none of these configs may make, and a module beside it that would make it."""
    path = tmp_path / "mark"
    (tmp_path / "hubconf.py").write_text(EVIL.format(mark=str(path)))
    yield path
    assert not path.exists()


def exploits(folder: Path) -> list[dict[str, Any]]:
    """Configs that ran foreign code, or moved files, where names were allowed by how they begin."""
    functional, victim = "torch.nn.functional", str(folder / "hubconf.py")
    hub = {"repo_or_dir": str(folder), "model": "leave_a_mark", "source": "local"}
    mark = str(folder / "mark")
    return [
        {"_target_": f"{functional}.torch.hub.load", **hub},
        {"_target_": f"{functional}.torch.load", "f": victim, "weights_only": False},
        {"_target_": f"{functional}.np.load", "file": victim, "allow_pickle": True},
        {"_target_": "torch.nn.modules.module.itertools.chain"},
        {"_target_": "torch.hub.load", **hub},
        {"_target_": "shutil.copy", "src": victim, "dst": mark},
        {"_target_": "torch.optim.optimizer.os.system", "command": f"touch {mark}"},
        {"_target_": "seq2scene.caching.Path.touch", "self": mark},
        {"_target_": "seq2scene.data.archives.unpack", "place": victim, "root": mark},
        {"_target_": "seq2scene.data.downloads.fetch_all", "files": [], "root": mark},
        {"_target_": "seq2scene.attention.nn.Linear", "in_features": 1, "out_features": 1},
        {"_target_": "pytorch_lightning.loggers.CSVLogger", "save_dir": mark},
        {"_target_": "builtins.eval"},
        {"_target_": ["os", "system"]},
        {"_target_": None},
    ]


@pytest.mark.parametrize("number", range(len(exploits(Path()))))
def test_a_config_of_a_model_calls_nothing_but_parts_of_models(
    tmp_path: Path, mark: Path, number: int
) -> None:
    config = exploits(tmp_path)[number]
    for nested in (
        config,
        {**GENERAL, "score": config},
        {**GENERAL, "score": [{"deep": config}]},
        {"_target_": "torch.nn.Identity", "unused": config},
    ):
        for group in ("attention", "model.encoder", "search", "scores", "data", "optimizer", "elsewhere"):
            with pytest.raises(UserError, match=REFUSED):
                build(nested, group)


def chains(module: ModuleType, steps: int) -> Iterator[tuple[str, Any]]:
    """Every chain of so many attributes, and what it leads to."""
    for name in dir(module):
        try:
            found = getattr(module, name)
        except Exception:
            continue
        yield name, found
        if steps > 1 and (inspect.ismodule(found) or inspect.isclass(found)):
            yield from ((f"{name}.{rest}", end) for rest, end in chains(found, steps - 1))


@pytest.mark.slow
def test_no_chain_of_attributes_leads_to_more_than_is_listed() -> None:
    """Three steps from each module that something may be built of, in the groups where it may."""
    kinds = {"model": PART, **KINDS}
    listed = {name for kind in kinds.values() for name in kind.listed}
    modules: dict[str, set[str]] = {"torch.nn": {"model"}, "torch.nn.functional": {"model"}}
    for group, kind in kinds.items():
        for name in kind.listed:
            modules.setdefault(name.rpartition(".")[0], {"model"}).add(group)
    tried, found = 0, {}
    for module, groups in modules.items():
        for chain, end in chains(import_module(module), 3):
            for group in groups:
                tried += 1
                try:
                    assert find(f"{module}.{chain}", group) is end
                except UserError:
                    continue
                found[f"{module}.{chain}"] = end
    assert tried > 300_000
    own = {name for name, end in found.items() if name == f"{end.__module__}.{end.__qualname__}"} - listed
    assert found.keys() == listed | own and f"{OWN}.GlobalAttention" in own
    assert all(name.startswith("seq2scene.") for name in own)


def test_what_is_built_was_defined_under_the_name_that_a_config_gives() -> None:
    """No other module's door: a class is not found where it is merely imported."""
    here = "seq2scene.nets.text.encoders.RecurrentEncoder"
    assert find(here, "model.encoder").__name__ == "RecurrentEncoder"
    for elsewhere in ("seq2scene.tasks.captioning.Captioner", "seq2scene.nets.text.encoders.nn.LSTM"):
        with pytest.raises(UserError, match=REFUSED):
            find(elsewhere, "model.encoder")


@pytest.mark.parametrize("key", ["_args_", "_partial_", "_recursive_", "_convert_", "_other_"])
def test_keys_of_hydras_own_are_refused(key: str) -> None:
    with pytest.raises(UserError, match=rf"attention\.{key} is not an option"):
        build({**GENERAL, key: []}, "attention", query_size=3, memory_size=4)


def test_interpolations_are_text(monkeypatch) -> None:
    monkeypatch.setenv("SECRET", "known")
    with pytest.raises(UserError, match=r"\$\{oc\.env:SECRET\}"):
        build({**GENERAL, "score": "${oc.env:SECRET}"}, "attention", query_size=3, memory_size=4)


def test_every_target_of_the_configs_may_be_built_in_its_group() -> None:
    paths = [
        path for path in CONF.rglob("*.yaml") if CONF / "hydra" not in path.parents
    ]  # which Hydra builds
    tried = set()
    for path in paths:
        for place, target in targets(yaml.safe_load(path.read_text(encoding="utf-8")), ()):
            package = re.search(r"# @package _global_", path.read_text(encoding="utf-8"))
            group = path.relative_to(CONF).parts[0]
            find(target, ".".join(map(str, place)) if package else ".".join([group, *map(str, place)]))
            tried.add(target)
    assert len(tried) > 60


def targets(config: Any, place: tuple) -> Iterator[tuple[tuple, str]]:
    if isinstance(config, dict):
        if "_target_" in config:
            yield place, config["_target_"]
        for key, value in config.items():
            yield from targets(value, (*place, key))


def test_a_part_of_ones_own_package_is_told_how_parts_are_added() -> None:
    with pytest.raises(UserError, match="a class under src/seq2scene that derives from Module"):
        build({"_target_": "mine.Attention"}, "attention")


def test_missing_settings_are_told() -> None:
    with pytest.raises(UserError, match=r"model\.encoder: .*missing 2 required positional arguments"):
        build({"_target_": "seq2scene.nets.text.encoders.RecurrentEncoder"}, "model.encoder")
    with pytest.raises(UserError, match=r"model\.encoder has no _target_"):
        build({"hidden_size": 3}, "model.encoder")


def test_an_unknown_option_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"attention\.scale is not an option; options are .*score"):
        build({**GENERAL, "scale": 1}, "attention", query_size=3, memory_size=4)


def test_a_word_where_a_list_is_wanted_is_not_read_letter_by_letter() -> None:
    config = {"_target_": "seq2scene.data.scenes.coco_layout.CocoLayout", "root": "none", "filtered": "train"}
    with pytest.raises(UserError, match=r"data\.filtered='train' has the wrong type: it must be a list"):
        build(config, "data")


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [("size", "abc", "int"), ("size", 2.5, "int"), ("alpha", "high", "float"), ("ban_unk", 1, "bool")],
)
def test_a_value_of_the_wrong_type_is_refused_by_its_key(key: str, value: object, kind: str) -> None:
    with pytest.raises(UserError, match=rf"search\.{key}={value!r} has the wrong type: it must be {kind}"):
        build({"_target_": "seq2scene.search.beam.Beam", key: value}, "search")


def test_whole_numbers_are_numbers() -> None:
    assert build({"_target_": "seq2scene.search.beam.Beam", "alpha": 1}, "search") == Beam(alpha=1)


def test_a_target_that_does_not_exist_is_named() -> None:
    with pytest.raises(UserError, match=r"cannot build seq2scene\.attention\.Nothing"):
        build({"_target_": "seq2scene.attention.Nothing"}, "attention")


def test_a_value_where_a_config_must_stand_is_refused_by_its_key() -> None:
    with pytest.raises(UserError, match="attention=dot has no _target_"):
        build("dot", "attention")
