"""A mistake on the command line is a line that names what was meant, and status 2."""

import os
import sys

import pytest

from seq2scene.errors import UserError
from seq2scene.running import cli
from seq2scene.running.options.mistakes import read_arguments
from seq2scene.running.options.nearest import nearest

MISTAKES = {
    "train optimiser.lr=1": "optimiser.lr=1: optimiser.lr is not an option; did you mean optimizer.lr?",
    "train -m attention=dot,generel": "attention=generel is not a choice; did you mean general?",
    "train experiment=multi30k": "experiment=multi30k is not a choice; did you mean multi30k_en_lm or "
    "multi30k_en_de?",
    "train attention=dot task=inpainting": "attention=dot: task=inpainting takes no attention; it takes "
    "callbacks, data, debug, experiment, logger, model, optimizer, paths, schedule, task, trainer",
    "train optimizer.amsgrad=true": "optimizer.amsgrad=true: optimizer.amsgrad is not an option; options of "
    "optimizer are betas, fused, lr, lr_of, weight_decay; other arguments of torch.optim.AdamW with +: "
    "+optimizer.amsgrad=...",
    "train ~task": "~task: a run needs task; keep it, or give it another value",
    "train logger=null": "logger=null: ~logger leaves it out",
    "prepare data=multi30kk": "data=multi30kk is not a choice; did you mean multi30k?",
    "prepare data.tests.x=[a] data=park_text": "data.tests.x=[a]: data.tests.x is not an option; options of "
    "data.tests are test; +data.tests.x=... adds it",
    "generate txt=A": "txt=A: txt is not an option; did you mean text?",
    "generate text=A search.size.x=2": "search.size.x=2: search.size.x is not an option; search.size is a "
    "value, without options of its own",
    "generate size=2": "size=2: size is not an option; did you mean search.size?",
    "generate ~search.sise": "~search.sise: search.sise is not an option; did you mean ~search.size?",
    "generate +seed=2": "+seed=2: seed is there already; leave out the +",
    "generate ++search=beam": "++search=beam: leave out the ++",
    "generate search= text=A": "search= is not a choice; choose one of beam, greedy, mbr, sample",
    "generate search=5": "search=5 is not a choice; choose one of beam, greedy, mbr, sample",
    "generate search@serch=beam": "search@serch=beam: did you mean search?",
    "generate model=relational": "model=relational: generate.py takes no model; it takes paths, search",
    "generate seed=1,2": "seed=1,2: a sweep needs -m; a list is seed=[1,2], a text \"seed='1,2'\"",
    "generate seed=[1": "seed=[1: a [ has no counterpart; if it belongs to the value: \"seed='[1'\"",
    "generate device='cpu": "device='cpu: a ' has no counterpart; if it belongs to the value: "
    "\"device='\\'cpu'\"",
    "generate device=a:b{}c": "device=a:b{}c: a value with such characters needs quotes: \"device='a:b{}c'\"",
    "generate seed": "seed: options are KEY=VALUE",
    "generate --seed=1": "--seed=1: options are KEY=VALUE, without dashes: seed=1",
    "generate seed=1 --cfg job text=A": "text=A: give -m, --cfg and the like before all KEY=VALUE, or after "
    "them",
    "generate --config-dir nowhere": "--config-dir nowhere: no such folder",
    "generate --config-name other": "--config-name other: there is no other.yaml among the configs",
    "generate sede=1 --cfg job": "sede=1: sede is not an option; did you mean seed?",
    "report run=${nowhere} hydra.run.dir=${run}": "hydra.run.dir: Interpolation key 'nowhere' not found",
    f"train resume={'a' * 300}": f"{'a' * 60}... is too long for the name of a file",
    "report page=x": "page=x: page is not an option; options are run",
}


def said(line: str, monkeypatch, capsys) -> str:
    name, *arguments = line.split()
    monkeypatch.setattr(sys, "argv", [f"src/{name}.py", *arguments])
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    with pytest.raises(SystemExit) as exit:
        cli.run(name)
    printed = capsys.readouterr()
    assert (exit.value.code, printed.out) == (2, "")
    assert "HYDRA_FULL_ERROR" not in os.environ
    return printed.err


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_a_line(line: str, monkeypatch, capsys) -> None:
    assert said(line, monkeypatch, capsys) == f"error: {MISTAKES[line]}\n"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("seed: [1\n", "line 3: did not find expected ',' or ']'"),
        (
            "defaults:\n  - override /search: beem\n",
            "line 3: search=beem is not a choice; did you mean beam?",
        ),
        ("sede: 1\n", "line 2: nothing reads sede; did you mean seed?"),
        ("search: {sise: 1}\n", "line 2: nothing reads search.sise; did you mean search.size?"),
        ("defaults: [{override /serch: beam}]\n", "line 2: serch is not a group; did you mean search?"),
        ("defaults: [{override search: beam}]\n", "line 2: override search: write override /search"),
        ("defaults: [{override /canvas: none}]\n", "line 2: override /canvas: the task takes no canvas"),
        ("defaults: [{override /grid@x: none}]\n", "line 2: override /grid@x: the task takes no grid@x"),
    ],
)
def test_a_mistake_in_a_file_of_the_user_is_named_with_its_line(text, wanted, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    file = tmp_path / "mine" / "own.yaml"
    file.write_text(f"# @package _global_\n{text}")
    line = f"generate --config-dir {tmp_path} +mine=own hydra/job_logging=none"
    assert said(line, monkeypatch, capsys) == f"error: {file}, {wanted}\n"


def test_a_key_that_is_added_and_not_read_is_refused(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    told = said("generate ++txt=A hydra/job_logging=none", monkeypatch, capsys)
    assert told == "error: ++txt=A: nothing reads txt; did you mean text?\n"


def test_a_bug_keeps_its_traceback_and_a_key_for_interpolations_may_be_added(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(cli.COMMANDS, "report", cli.Command("", "seq2scene.no.such_function"))
    monkeypatch.setattr(
        sys, "argv", ["src/report.py", "run=${my.run}", "+my.run=x", "hydra/job_logging=none"]
    )
    with pytest.raises(SystemExit) as exit:
        cli.run("report")
    told = capsys.readouterr().err
    assert exit.value.code == 1 and "Traceback" in told and "No module named 'seq2scene.no'" in told
    assert "HYDRA_FULL_ERROR=1" in told and "_run_hydra" not in told


def test_all_of_an_error_is_shown_to_those_who_want_it(monkeypatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr(sys, "argv", ["src/report.py", "rum=x"])
    with pytest.raises(Exception, match="Could not override 'rum'"):
        cli.run("report")


def test_what_is_no_mistake_passes() -> None:
    line = ["-m", "--config-dir", "a", "task=nmt,lm", "~callbacks.samples", "+data.tests.a=[b,c]"]
    assert read_arguments(line).overrides == line[3:]
    with pytest.raises(UserError, match=r"^-x: options are KEY=VALUE, without dashes$"):
        read_arguments(["-x"])


def test_nearest_names_are_few() -> None:
    assert nearest("Adam", ["adam", "adamw", "sgd"]) == ["adam"]
    assert nearest("batchsize", ["batch_size", "eval_batch_size"]) == ["batch_size"]
    assert nearest("coco", ["coco_captions", "park"]) == ["coco_captions"]
    assert nearest("", ["a"]) == nearest("x", ["nmt", "lm"]) == []
