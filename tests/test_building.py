"""Objects come from configs by one door, which opens to this project's own and its libraries' parts only."""

import pytest
import torch

from seq2scene.attention import GlobalAttention
from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.search.beam import Beam

GENERAL = {"_target_": "seq2scene.attention.GlobalAttention", "score": "general"}


def test_config_and_arguments_make_an_object() -> None:
    attention = build(GENERAL, "attention", query_size=3, memory_size=4)
    assert isinstance(attention, GlobalAttention)
    assert attention.keys(torch.ones(1, 2, 4)).shape == (1, 2, 3)


@pytest.mark.parametrize(
    "target", ["os.system", "builtins.eval", "torch.hub.load", "subprocess.run", "torch.load"]
)
@pytest.mark.parametrize("deep", [False, True])
def test_a_config_cannot_call_what_it_should_not(target: str, deep: bool) -> None:
    foreign = {"_target_": target}
    config = {**GENERAL, "score": [foreign]} if deep else foreign
    with pytest.raises(UserError, match=f"_target_={target} may not be built"):
        build(config, "attention")


def test_an_unknown_option_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"attention\.scale is not an option; options are .*score"):
        build({**GENERAL, "scale": 1}, "attention", query_size=3, memory_size=4)


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
