"""Every option of every group composes, and what it describes can be built and trained."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict

import composing
import seq2scene.running.entry  # noqa: F401  (the configs' variables)
from seq2scene.building import build
from seq2scene.data.coco.annotations import ARCHIVE
from seq2scene.errors import UserError
from seq2scene.models.loading import LIMITS, chosen_search
from seq2scene.running.options.task_compatibility import check_choices
from seq2scene.sequences.batch import ParallelBatch
from seq2scene.sequences.language import Language
from seq2scene.sequences.text_batch import sentence_batch
from seq2scene.sequences.tokenizers import choose
from seq2scene.sequences.vocabulary import Vocabulary
from seq2scene.tasks.loading import build_task

CONF = Path(__file__).resolve().parents[1] / "conf"
SIZES = ["task=nmt", "debug=tiny"]


def options(group: str) -> list[str]:
    """Names of a group's options, those of its sub-groups as ``folder/name``."""
    folder = CONF / group
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))


# The options that mean something to a task, by group.
LM_TAKES, NMT_TAKES = (
    OmegaConf.to_container(OmegaConf.load(CONF / "task" / f"{task}.yaml").takes) for task in ("lm", "nmt")
)


def compose_plain(outputs: Path, *overrides: str, job: str = "train") -> dict[str, Any]:
    """A plain config as an entry point would compose it, its outputs in a folder of the test."""
    with initialize_config_dir(str(CONF), version_base="1.3", job_name="test"):
        cfg = compose(job, [*overrides, f"hydra.runtime.output_dir={outputs}"], return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        with open_dict(cfg):
            del cfg["hydra"]
        try:
            return OmegaConf.to_container(cfg, resolve=True)
        finally:
            HydraConfig.instance().cfg = None


@pytest.fixture
def composed(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    return partial(compose_plain, tmp_path)


def description() -> dict[str, Any]:
    vocabulary = Vocabulary.count([list("abcdef")])
    language = Language(choose("whitespace", "en"), vocabulary).state()
    return {"source": language, "target": language, "source_eos": False}


def batch() -> ParallelBatch:
    language = Language.from_state(description()["source"])
    lines = ["a b c", "d", "f e d c b a"]
    return ParallelBatch(
        language.batch(lines), language.batch(lines[::-1], eos=True), torch.arange(3), tuple(lines[::-1])
    )


class Pretend:
    """Just enough of a trainer for a module outside one."""

    precision, accumulate_grad_batches, world_size = "32-true", 1, 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attention", "feed"), [*((name, "true") for name in options("attention")), ("general", "false")]
)
def test_every_attention_trains_and_translates(composed, attention: str, feed: str) -> None:
    config = composed(*SIZES, f"attention={attention}", f"model.decoder.input_feeding={feed}")
    task = build_task(config, description())
    loss = task.loss(batch())
    loss.total.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in task.parameters())
    assert loss.count.item() == 3 + 1 + 6 + 3
    assert task.eval().translate(batch().source).tokens.shape[0] == 3


@pytest.mark.slow
@pytest.mark.parametrize("model", NMT_TAKES["model"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_every_model_and_cell_trains(composed, model: str, cell: str) -> None:
    task = build_task(composed(*SIZES, f"model={model}", f"model.encoder.cell={cell}"), description())
    task.loss(batch()).total.backward()


@pytest.mark.parametrize("search", NMT_TAKES["search"])
def test_every_search_finds_something(composed, search: str) -> None:
    task = build_task(composed(*SIZES, f"search={search}"), description()).eval()
    assert (task.translate(batch().source).lengths > 0).all()


@pytest.mark.parametrize("option", options("attribute_attention"))
def test_the_attribute_decoder_attends_by_what_the_group_attention_has(composed, option: str) -> None:
    config = composed("task=abstract", f"attribute_attention={option}", f"attention={option}")
    assert config["attribute_attention"] == config["attention"]


@pytest.mark.parametrize("task", ["abstract", "layout", "composite"])
def test_a_search_may_write_as_many_objects_as_the_data_have(composed, task: str) -> None:
    config = composed(f"task={task}", "data.max_objects=17")
    assert config["search"]["max_extra"] == config["val_search"]["max_extra"] == 17


@pytest.mark.parametrize("job", ["evaluate", "generate"])
def test_another_search_has_the_limits_of_the_checkpoint_unless_it_is_given_its_own(composed, job) -> None:
    limits = {"max_ratio": 0.0, "max_extra": 30, "max_length": 50}
    config = {"search": {"_target_": "seq2scene.search.stepwise.Greedy", **limits, "ban_unk": True}}
    given = composed("ckpt=any", "search=beam", "search.max_extra=7", job=job)["search"]
    assert given["ban_unk"] is False
    found = chosen_search(given, config)
    assert found == {**composed("search=beam", "task=nmt")["search"], **limits, "max_extra": 7}
    assert OmegaConf.load(CONF / "search_limits.yaml").keys() == set(LIMITS)


LM_CHOICES = [f"{group}={option}" for group, taken in LM_TAKES.items() for option in taken]


@pytest.mark.parametrize("choice", [*LM_CHOICES, "model.decoder.cell=gru", "loss.per=sentence"])
def test_whatever_means_something_to_a_language_model_trains(composed, choice: str) -> None:
    task = build_task(composed("task=lm", "debug=tiny", choice), {"language": description()["target"]})
    task.loss(sentence_batch(batch().target, task.language.vocabulary.bos)).total.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in task.parameters())


@pytest.mark.parametrize("search", LM_TAKES["search"])
def test_a_language_model_writes_by_every_search(composed, search: str) -> None:
    config = composed("task=lm", "debug=tiny", f"search={search}", "search.max_length=3")
    task = build_task(config, {"language": description()["target"]}).eval()
    assert len(task.sample(2)) == 2 and (task.generate(2).lengths <= 4).all()


@pytest.mark.parametrize("group", LM_TAKES)
def test_what_means_nothing_to_a_language_model_is_refused_with_what_does(composed, group: str) -> None:
    config, good = composed("task=lm"), LM_TAKES[group]
    assert set(good) <= set(options(group))
    for option in options(group):
        if option in good:
            check_choices({group: option}, config)
        else:
            with pytest.raises(UserError, match=f"{group}={option} has no meaning with task=lm.*{good[-1]}"):
                check_choices({group: option}, config)


CLOSED = {  # what is told, where and of what it is: the key, a wrong value, the good ones
    "data.stop_words": ("task=abstract", "drop", "keep, remove"),
    "data.vocabulary_from": ("task=layout", "test", "train, all"),
    "data.filtered": ("task=layout", "[train,dev]", "train, val, test"),
    "data.stuff": ("task=composite data=coco_composite", "pixels", "stuff, panoptic"),
    "data.batch_by": ("task=lm", "lines", "sentences, tokens, stream"),
    "search.normalisation": ("task=nmt", "mean", "none, average, gnmt"),
    "search.stop": ("task=nmt", "first", "exact, size, best"),
    "schedule.decay": ("task=nmt schedule=warm_up", "linear", "none, rsqrt"),
    "model.encoder.cell": ("task=abstract", "rnn", "lstm, gru"),
    "model.decoder.cell": ("task=lm", "null", "lstm, gru"),
    "model.decoder.bridge": ("task=nmt", "wide", "copy, directions, linear, zero"),
    "model.encoder.packing": ("task=nmt", "loose", "packed, gather"),
    "image_encoder.resize": ("task=captioning", "zoom", "crop, squash, pad"),
    "canvas.stuff": ("task=composite model=text2scene_mini", "odd", "behind, over"),
    "canvas.aspect": ("task=composite model=text2scene_mini", "1", "kept, predicted"),
    "attention.score": ("task=nmt", "cosine", "dot, general, concat, concat_luong"),
    "attribute_attention.score": ("task=abstract", "cosine", "dot, general, concat, concat_luong"),
    "attention.implementation": ("task=nmt attention=local_m", "fast", "mask, gather"),
    "attention.centre": ("task=nmt attention=local_p", "near", "real, floor"),
    "attention.first_position": ("task=nmt attention=local_p", "true", "1, 0"),
}


@pytest.mark.parametrize("key", CLOSED)
def test_a_word_that_is_no_choice_is_answered_with_those_that_are(composed, key: str) -> None:
    where, wrong, good = CLOSED[key]
    place = key.rpartition(".")[0]
    part = composed(*where.split(), f"{key}={wrong}")
    for name in place.split("."):
        part = part[name]
    told = f"{key}={wrong.strip('[]').split(',')[-1]} is not a choice; choose one of {good}"
    with pytest.raises(UserError, match=re.escape(told) + "$"):
        build(part, place)


@pytest.mark.parametrize("optimizer", options("optimizer"))
def test_every_optimizer_steps(composed, optimizer: str) -> None:
    settings = composed(*SIZES, f"optimizer={optimizer}")["optimizer"]
    assert settings.pop("lr_of") is None  # read by the task
    weight = torch.nn.Parameter(torch.ones(2))
    made = build(settings, "optimizer", params=[weight])
    weight.sum().backward()
    made.step()
    assert (weight != 1).all()


@pytest.mark.parametrize("schedule", options("schedule"))
def test_every_schedule_is_built_for_its_optimizer(composed, monkeypatch, schedule: str) -> None:
    task = build_task(composed(*SIZES, f"schedule={schedule}"), description())
    monkeypatch.setattr(type(task), "trainer", Pretend())
    monkeypatch.setattr(type(task), "_steps_per_epoch", lambda self: 10)
    made = task.configure_optimizers()
    assert made["lr_scheduler"]["interval"] in ("step", "epoch")


@pytest.mark.parametrize("group", ["logger", "callbacks"])
def test_every_logger_and_callback_is_built(composed, group: str) -> None:
    for option in options(group):
        for name, part in composed(*SIZES, f"{group}={option}")[group].items():
            build(part, f"{group}.{name}")


@pytest.mark.parametrize("trainer", options("trainer"))
def test_only_a_trainer_that_says_so_computes_in_less_than_float32(composed, trainer: str) -> None:
    wanted = "bf16-mixed" if trainer.endswith("_bf16") else "32-true"
    assert composed(f"trainer={trainer}")["trainer"]["precision"] == wanted


@pytest.mark.slow
@pytest.mark.parametrize("group", ["trainer", "data", "task", "debug"])
def test_every_other_option_composes(composed, group: str) -> None:
    """test_experiments.py composes the experiments."""
    for option in options(group):
        config = composed(f"{group}={option}")
        assert config["task"]["name"] and config["trainer"]["max_epochs"] > 0


def read_files(data: dict[str, Any]) -> set[str]:
    """The names, under its root, of all files that a data set reads."""
    sets = [data["train"], data["val"], *data["tests"].values()]
    return {name for files in sets for name in ([files] if isinstance(files, str) else files)}


@pytest.mark.parametrize("data", options("prepare"))
def test_what_is_fetched_is_all_that_is_read(composed, data: str) -> None:
    config = composed(f"data={data}", job="prepare")
    files, archives = config["prepare"]["files"], config["prepare"].get("unpack", {})
    if files and "tests" in config["data"] and not archives:
        assert read_files(config["data"]) <= files.keys()
    assert archives.keys() <= files.keys()
    if files:
        assert config["data"]["fetch"].removeprefix("python src/prepare.py data=") in options("prepare")


def test_photos_are_unpacked_to_where_they_are_read(composed) -> None:
    config = composed("data=coco_captions", job="prepare")
    folders = {name for name in read_files(config["data"]) if not name.endswith(".json")}
    assert {wanted["to"] for wanted in config["prepare"]["unpack"].values()} == folders


def test_composites_are_unpacked_to_where_they_are_read(composed) -> None:
    """Captions and things are read out of their archive; stuff has one of its own, in a folder that is left
    out of the places.
    """
    config = composed("data=coco_composite", job="prepare")
    data, recipe = config["data"], config["prepare"]
    folders = {f"{data['photos']}/{name}" for name in data["sources"].values()}
    assert {wanted["to"] for wanted in recipe["unpack"].values()} == {*folders, "annotations"}
    assert recipe["files"].keys() - recipe["unpack"].keys() == {ARCHIVE}


@pytest.mark.parametrize("data", ["iwslt14", "iwslt15", "wmt14", "wmt15", "wmt14_en_fr"])
def test_a_missing_file_is_named_with_what_to_do(composed, tmp_path: Path, data: str) -> None:
    config = composed(f"data={data}", f"paths.data={tmp_path}")["data"]
    with pytest.raises(UserError) as refusal:
        build(config, "data").prepare_data()
    assert f"{config['root']}/{config['train'][0]} does not exist" in str(refusal.value)
    assert config["fetch"] in str(refusal.value)


def test_what_must_be_given_is_asked_for_by_its_key(composed) -> None:
    with pytest.raises(UserError, match=r"data\.train is required"):
        build(composed("task=nmt", "data=text_files")["data"], "data")


@pytest.mark.parametrize("data", options("data"))
def test_what_an_option_requires_is_not_filled_by_what_it_includes(tmp_path: Path, data: str) -> None:
    """A value that an included file has would stay in place of ???."""
    found = compose_plain(tmp_path, "ckpt=any", f"data={data}", job="evaluate")["data"]
    written = OmegaConf.to_container(OmegaConf.load(CONF / "data" / f"{data}.yaml"))
    for key, value in written.items():
        assert value != "???" or found[key] == "???", key


def test_own_photos_must_be_given(composed) -> None:
    with pytest.raises(UserError, match=r"^data\.train is required: set data\.train=\.\.\.$"):
        build(composed("task=captioning", "data=photos")["data"], "data")


def test_smoothing_does_not_touch_the_reported_likelihood(composed) -> None:
    plain = build_task(composed(*SIZES, "loss.smoothing=0", "seed=1"), description()).eval()
    smooth = build_task(composed(*SIZES, "loss.smoothing=0.2", "seed=1"), description()).eval()
    smooth.load_state_dict(plain.state_dict())
    ours, theirs = plain.loss(batch()), smooth.loss(batch())
    torch.testing.assert_close(ours.nll, theirs.nll)
    assert ours.total.item() != pytest.approx(theirs.total.item())


def test_tests_parse_each_file_once(composed) -> None:
    composed(*SIZES, "seed=11")
    before = composing.read_once.cache_info()
    composed(*SIZES, "seed=12")
    after = composing.read_once.cache_info()
    assert after.hits > before.hits and after.misses == before.misses
