"""Resuming from a checkpoint: what is taken from it, what may change, when nothing is left to do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

import seq2scene.running.entry  # noqa: F401  (registers the configs' resolvers)
from entry_points import run
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.running.resuming.changes import may_change
from seq2scene.running.resuming.resume import Resumed, resume
from seq2scene.running.resuming.stored_overrides import is_taken, with_choices
from seq2scene.running.resuming.training_state import nothing_left, retune

pytestmark = pytest.mark.slow

CONF = Path(__file__).resolve().parents[2] / "conf"


@contextmanager
def job(folder: Path, *overrides: str) -> Iterator[DictConfig]:
    """A job of ``train.py`` as it is composed."""
    with initialize_config_dir(str(CONF), version_base="1.3", job_name="test"):
        wanted = [*with_choices(overrides), f"hydra.runtime.output_dir={folder}"]
        cfg = compose("train", wanted, return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        with open_dict(cfg):
            del cfg["hydra"]
        try:
            yield cfg
        finally:
            HydraConfig.instance().cfg = None


@pytest.fixture
def resumed(models, tmp_path: Path) -> Callable[..., Resumed]:
    """Resumes a trained model, with other overrides or states in its checkpoint."""

    def make(*given: str, stored: list[Any] | None = None, **other: Any) -> Resumed:
        checkpoint = {**load_checkpoint(models.a.with_name("last.ckpt")), **other}
        checkpoint["overrides"] = checkpoint["overrides"] + (stored or [])
        torch.save(checkpoint, tmp_path / "last.ckpt")
        with job(tmp_path / "out", f"resume={tmp_path}/last.ckpt", *given) as cfg:
            return resume(cfg)

    return make


# What a checkpoint may set

TAKEN = [
    "task=nmt",
    "data=multi30k",
    "search@val_search=beam",
    "experiment=luong2015/table1_base",
    "debug=null",
    "trainer=cpu",
    "model.encoder.hidden_size=512",
    "model.encoder={hidden_size: 16, cell: gru}",
    "data.train=[/far/train.en,/far/train.de]",
    "+data.tests.mine=[a.en,a.de]",
    "~heads.aspect",
    "loss.per=sentence",
    "optimizer.betas=[0.9,0.98]",
    "trainer.max_epochs=7",
    "trainer.max_time='00:01:00:00'",
    "trainer.strategy=ddp",
    "trainer.devices=[0,1]",
    "trainer.strategy.find_unused_parameters=true",
    "callbacks.early_stopping.patience=3",
    "+callbacks.early_stopping.min_delta=0.1",
    "callbacks.best.monitor=val/perplexity",
    "~callbacks.samples",
    "monitor.metric=val/bleu",
    "name=mine.1",
    "name='quoted'",
    "data.train=['/far/a train.en','/far/train.de']",
    "seed=7",
    "init='/far/a run'",
    "freeze=[encoder.*]",
    "optimizer.lr_of={encoder.*: 0.1}",
]
NOT_TAKEN = [
    "logger=wandb",
    "logger.wandb.offline=false",
    "+logger.evil._target_=pytorch_lightning.loggers.CSVLogger",
    "~logger",
    "callbacks=other",
    "callbacks.best._target_=pytorch_lightning.callbacks.Timer",
    "callbacks.best.dirpath=/tmp/elsewhere",
    "callbacks.best.filename=../../.bashrc",
    "callbacks.samples.folder=/tmp/elsewhere",
    "+callbacks.evil._target_=seq2scene.running.callbacks.samples.Samples",
    "+callbacks.evil.lines=3",
    "+callbacks.evil={_target_: seq2scene.running.callbacks.samples.Samples, folder: /tmp}",
    "paths=other",
    "paths.cache=/tmp/elsewhere",
    "paths.outputs=/tmp/elsewhere",
    "data.cache=/tmp/elsewhere",
    "+data.composites.cache=/tmp/elsewhere",
    "data@data.deep=park",
    "search@logger.evil=beam",
    "trainer.default_root_dir=/tmp/elsewhere",
    "+trainer.profiler=simple",
    "+trainer.profiler={_target_: pytorch_lightning.profilers.SimpleProfiler, dirpath: /tmp}",
    "+trainer.plugins=[{_target_: pytorch_lightning.plugins.AsyncCheckpointIO}]",
    "trainer.strategy._target_=pytorch_lightning.strategies.FSDPStrategy",
    "trainer.strategy={_target_: pytorch_lightning.strategies.FSDPStrategy}",
    "hydra.run.dir=/tmp/elsewhere",
    "hydra.searchpath=[file:///tmp]",
    "hydra/launcher=submitit",
    "hydra/job_logging=other",
    "experiment=../../tmp/evil",
    "experiment=/tmp/evil",
    "data=[park,../evil]",
    "task=${oc.env:HOME}",
    "model.encoder.cell=${oc.env:HOME}",
    "model.encoder.cell='${oc.env:HOME}'",
    "model.encoder={cell: '${oc.env:HOME}'}",
    "seed=1,2",
    "seed=range(1,9)",
    "task=glob(*)",
    "resume=/tmp/elsewhere",
    "unknown.key=1",
    "name=../elsewhere",
    "name=..",
    "name=7",
    "++paths.cache=/tmp",
    "++model.encoder.hidden_size=3",
    "takes.data=[x]",
    "not an override",
    "",
    7,
    ["seed=1"],
    None,
]


@pytest.fixture(scope="module")
def translation(tmp_path_factory) -> DictConfig:
    """A job of task=nmt."""
    with job(tmp_path_factory.mktemp("job"), "task=nmt") as cfg:
        return cfg


@pytest.mark.parametrize("stored", [*TAKEN, *NOT_TAKEN], ids=str)
def test_a_checkpoint_chooses_models_and_numbers_and_nothing_else(
    translation: DictConfig, stored: Any
) -> None:
    before = {
        "data": {"_target_": "seq2scene.data.text.parallel_text.ParallelText", "root": "/far", "cache": "x"}
    }
    assert is_taken(stored, before, translation) == (stored in TAKEN)


def test_data_are_read_where_they_were_but_nothing_is_generated_there(tmp_path: Path) -> None:
    files, park = (
        "seq2scene.data.text.parallel_text.ParallelText",
        "seq2scene.data.text.parallel_text.ParkText",
    )
    there, empty = tmp_path / "there", tmp_path / "empty"
    (there / "v1").mkdir(parents=True)
    (there / "v1" / "park.json").touch()
    with job(tmp_path, "task=nmt") as cfg:
        for target, root, good in ((files, empty, True), (park, there, True), (park, empty, False)):
            before = {"data": {"_target_": target, "root": str(root), "cache": "x"}}
            assert is_taken(f"data.root={root}", before, cfg) == good
        lie = {"data": {"_target_": park, "root": str(there), "cache": "x"}}
        assert not is_taken(f"data.root={empty}", lie, cfg)


def test_what_was_not_taken_is_said_on_one_line(resumed, tmp_path: Path, capsys) -> None:
    evil = [
        "logger=all",
        f"paths.cache={tmp_path}/evil",
        "callbacks.samples.folder=/tmp",
        "logger.csv.name=x",
    ]
    found = resumed("logger.csv.name=mine", stored=evil)
    told = capsys.readouterr().out.splitlines()
    left = " ".join(evil[:3]).replace("\x1b", "?")
    assert told[0] == f"resume: not taken from the checkpoint: {left}; repeat it if you want it"
    config = OmegaConf.to_container(found.cfg)
    assert config["logger"].keys() == {"csv"} and config["logger"]["csv"]["name"] == "mine"
    assert "evil" not in str(config) and not set(evil) & set(found.overrides)


def test_a_run_that_has_begun_goes_on_from_its_own_weights(resumed, capsys) -> None:
    found = resumed("init=park-de", "freeze=[encoder.*]")
    told = capsys.readouterr().out
    assert "resume: init=park-de is not read again: the run has begun" in told
    assert found.cfg.init is None and "freeze [] -> ['encoder.*']" in told


def test_nothing_goes_on_from_weights_alone(resumed, models) -> None:
    whole = load_checkpoint(models.a.with_name("last.ckpt"))
    for lacking in ("optimizer_states", "lr_schedulers", "loops"):
        path = models.folder / f"without_{lacking}.ckpt"
        torch.save({key: value for key, value in whole.items() if key != lacking}, path)
        with (
            job(models.folder, f"resume={path}") as cfg,
            pytest.raises(UserError, match=r"has weights but not the state of training"),
        ):
            resume(cfg)


def test_hydra_knows_the_keys_of_the_run_that_goes_on(models) -> None:
    """The default task has no such key; nothing is added if something is wrong."""
    stored = load_checkpoint(models.a)["overrides"]
    choices = ("debug=tiny", "data=text_files", "task=nmt", "trainer=cpu")
    added = with_choices(["-m", f"resume={models.a.parent}", "data.tokenizer=moses", "trainer=ddp"])
    assert added[:2] == ["-m", f"resume={models.a.parent}"] and added[-2:] == [
        "data.tokenizer=moses",
        "trainer=ddp",
    ]
    kept = {one for one in choices if one in stored and one != "trainer=cpu"}
    assert set(added[2:-2]) == kept | {
        f"name={load_checkpoint(models.a)['hyper_parameters']['config']['name']}"
    }
    for wrong in (["resume=/nowhere"], ["resume=a,b"], ["resume="], ["resume=x", "resume=y"], ["seed=1"]):
        assert with_choices(wrong) == wrong


@pytest.mark.parametrize(
    ("name", "kept"),
    [("mine.1", "mine.1"), ("../elsewhere", "nmt"), ("a (2), b", "nmt"), (7, "nmt"), (None, "nmt")],
)
def test_a_run_keeps_its_name_wherever_it_goes_on(models, tmp_path: Path, name: Any, kept: str) -> None:
    """Unless that could lead out of the output folder: then it is named after the folder it lies in."""
    checkpoint = load_checkpoint(models.a)
    checkpoint["hyper_parameters"]["config"]["name"] = name
    (tmp_path / "nmt" / "run").mkdir(parents=True)
    torch.save(checkpoint, tmp_path / "nmt" / "run" / "last.ckpt")
    with job(tmp_path / "out", f"resume={tmp_path}/nmt/run") as cfg:
        assert cfg.name == kept and cfg.data.tokenizer is not None  # its task is known too
    with job(tmp_path / "out", f"resume={tmp_path}/nmt/run", "name=other") as cfg:
        assert cfg.name == "other"


# What may change


MAY_CHANGE = """
trainer.max_epochs trainer.devices callbacks.early_stopping.patience logger.csv.name data.batch_size data.root
data.train data.tests.a data.composites.root data.sources.val optimizer.lr optimizer.betas schedule.epochs
search._target_ search.size val_search.size loss.smoothing test gallery seed model.encoder.dropout
model.decoder.dropout monitor.metric perceptual.trunk overwrite
"""
MAY_NOT = """
grid.columns heads.aspect.classes data.max_objects data.tokenizer data.min_count data.lowercase data.source
data.target data.language data.grid.rows data._target_ data.encoder.trunk data.composites.side task.name
task._target_ model.encoder.hidden_size model.encoder._target_ model.initial_range attention.score canvas.side
canvas.weights image_encoder.layer patch_encoder.hidden optimizer._target_ schedule._target_ schedule.interval
loss.hard loss.reinforce._target_ scores._target_ unknown
"""


@pytest.mark.parametrize("key", [*MAY_CHANGE.split(), *MAY_NOT.split()])
def test_what_shapes_a_model_or_its_words_may_not_change(key: str) -> None:
    assert may_change(key) == (key in MAY_CHANGE.split())


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("model.encoder.hidden_size=24", r"model\.encoder\.hidden_size=24 \(the run had 16\).*cannot change"),
        ("data.tokenizer=moses", r"data\.tokenizer=moses \(the run had whitespace\)"),
        ("data.min_count=3", r"data\.min_count=3 \(the run had 1\)"),
        ("data.source=fr", r"data\.source=fr \(the run had en\)"),
        ("optimizer=sgd", r"optimizer\._target_=torch\.optim\.SGD \(the run had torch\.optim\.Adam\)"),
        ("attention=dot", r"attention\.score=dot \(the run had general\)"),
        ("+attention.size=dot", r"attention\.size=dot \(the run had absent\)"),
        ("task=lm", r"task\._target_=seq2scene\.tasks\.lm\.LM \(the run had .*and \d+ more"),
        ("schedule=step", r"schedule\._target_"),
        ("schedule.mode=max", r"schedule\.mode=max"),
        ("+optimizer.nothing=1", r"optimizer\.nothing cannot change"),
        ("optimizer.lr_of={encoder.*: 0.1}", r"optimizer\.lr_of cannot change"),
    ],
)
def test_what_cannot_change_is_refused_by_name(resumed, given: str, named: str) -> None:
    with pytest.raises(UserError, match=named) as refusal:
        resumed(given)
    assert str(refusal.value).startswith("resume: ") and "\n" not in str(refusal.value)


def test_what_the_checkpoint_may_not_say_is_asked_for_where_it_shapes_the_model(resumed, models) -> None:
    config = load_checkpoint(models.a)["hyper_parameters"]["config"]
    other = {**config, "attention": {**config["attention"], "score": "dot"}}
    description = load_checkpoint(models.a)["hyper_parameters"]["description"]
    kept = {"hyper_parameters": {"config": other, "description": description}}
    with pytest.raises(UserError, match=r"attention\.score=general \(the run had dot\): must be given again"):
        resumed(stored=["attention.score=${oc.env:SCORE}"], **kept)
    resumed("attention.score=dot", stored=["attention.score=${oc.env:SCORE}"], **kept)


def test_what_changes_is_told(resumed, capsys) -> None:
    found = resumed("trainer.max_epochs=5", "optimizer.lr=0.01", "data.batch_size=8", "~callbacks.speed")
    told = capsys.readouterr().out
    for change in ("trainer.max_epochs 3 -> 5", "optimizer.lr 0.02 -> 0.01", "data.batch_size 16 -> 8"):
        assert change in told
    assert "callbacks.speed is gone" in told and found.callback.over is None
    assert found.cfg.trainer.max_epochs == 5


def test_the_same_command_again_changes_nothing(resumed, capsys) -> None:
    resumed("~callbacks.samples", "optimizer.lr=0.02")
    assert "changed" not in capsys.readouterr().out


def test_defaults_that_were_others_when_the_run_began_are_told(resumed, models, capsys) -> None:
    resumed()
    assert "defaults" not in capsys.readouterr().out
    parts = load_checkpoint(models.a)["hyper_parameters"]
    trainer = {**parts["config"]["trainer"], "precision": "bf16-mixed"}
    resumed(hyper_parameters={**parts, "config": {**parts["config"], "trainer": trainer}})
    told = "resume: defaults have changed since the run began: trainer.precision bf16-mixed -> 32-true\n"
    assert told in capsys.readouterr().out


# Changes are applied


def test_another_rate_is_that_times_what_the_schedule_made_of_it() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.Adam([weight], lr=0.4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    for _ in range(3):
        weight.square().sum().backward()
        optimizer.step()
        schedule.step()
    saved = {"optimizer_states": [optimizer.state_dict()], "lr_schedulers": [schedule.state_dict()]}
    retune(saved, {"optimizer.lr": (0.4, 0.1), "optimizer.betas": ([0.9, 0.999], [0.8, 0.9])})
    again = torch.optim.Adam([weight], lr=0.1)
    going_on = torch.optim.lr_scheduler.LambdaLR(again, lambda step: 0.5**step)
    again.load_state_dict(saved["optimizer_states"][0])
    going_on.load_state_dict(saved["lr_schedulers"][0])
    assert again.param_groups[0]["lr"] == pytest.approx(0.1 * 0.5**3)
    assert again.param_groups[0]["betas"] == (0.8, 0.9)
    again.step()
    going_on.step()
    assert again.param_groups[0]["lr"] == pytest.approx(0.1 * 0.5**4)


def test_a_plateaus_settings_change() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
    saved = {"optimizer_states": [optimizer.state_dict()], "lr_schedulers": [plateau.state_dict()]}
    retune(
        saved, {"schedule.factor": (0.5, 0.1), "schedule.min_lr": (0, 0.2), "schedule.monitor": ("a", "b")}
    )
    plateau.load_state_dict(saved["lr_schedulers"][0])
    assert plateau.factor == 0.1 and plateau.min_lrs == [0.2]
    with pytest.raises(UserError, match=r"schedule\.nothing cannot change"):
        retune(saved, {"schedule.nothing": (1, 2)})


@pytest.fixture(scope="module")
def longer(models) -> Path:
    """A model's run, resumed for one more epoch at half its learning rate."""
    tests = f"+data.tests.later=[{models.folder}/test.x,{models.folder}/test.y]"
    given = ["trainer.max_epochs=4", "optimizer.lr=0.01", "test=true", tests]
    run("train.py", f"resume={models.a.parent}", *given, "name=longer", work=models.folder)
    return max((models.folder / "outputs").glob("*/*/last.ckpt"), key=lambda path: path.stat().st_mtime)


@pytest.mark.slow
def test_a_run_goes_on_with_the_rate_it_is_told(models, longer: Path) -> None:
    rates = []
    for path in (models.a.with_name("last.ckpt"), longer):
        checkpoint = load_checkpoint(path)
        rates.append(checkpoint["optimizer_states"][0]["param_groups"][0]["lr"])
    assert load_checkpoint(longer)["epoch"] == 3
    assert rates[1] in (pytest.approx(rates[0] / 2), pytest.approx(rates[0] / 4))  # or its plateau began


# When nothing is left


@pytest.mark.slow
def test_a_finished_run_is_tested_again(models, longer: Path) -> None:
    told = run("train.py", f"resume={longer}", work=models.folder)
    assert (
        "resume: nothing left to do: epochs done: 4, trainer.max_epochs=4; the best checkpoint is tested"
        in told
    )
    assert "bleu_tok" in told


def test_when_a_run_is_over(resumed, models) -> None:
    saved = load_checkpoint(models.a.with_name("last.ckpt"))
    config = saved["hyper_parameters"]["config"]

    def left(saved: dict[str, Any] = saved, **trainer: Any) -> str | None:
        return nothing_left(saved, {**config, "trainer": {**config["trainer"], **trainer}})

    steps = saved["global_step"]
    assert left() == "epochs done: 3, trainer.max_epochs=3"
    assert left(max_epochs=2) == "epochs done: 3, trainer.max_epochs=2"
    assert left(max_epochs=4) is None and left(max_epochs=-1) is None
    assert left(max_epochs=4, max_steps=steps) == f"steps done: {steps}, trainer.max_steps={steps}"
    assert left(max_epochs=4, max_steps=steps + 1) is None
    (key,) = (key for key in saved["callbacks"] if key.startswith("EarlyStopping"))
    waited = {**saved, "callbacks": {key: {**saved["callbacks"][key], "wait_count": 10}}}
    assert "callbacks.early_stopping.patience=10" in left(waited, max_epochs=4)


def test_fewer_epochs_than_are_done_are_none_left(resumed) -> None:
    assert resumed("trainer.max_epochs=1").cfg.trainer.max_epochs == 3
