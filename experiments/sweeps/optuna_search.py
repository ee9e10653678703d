"""Searches for good settings with Optuna, one run of src/train.py for each trial; bad ones are ended early.

    python experiments/sweeps/optuna_search.py experiments/sweeps/space.yaml [--trials 20] [OVERRIDE ...]

The file lists arguments of src/train.py, as one types them after -m: those with several values are searched,
the others fixed. More of them on the command line replace those of the file. A trial is better the better
its best validation by monitor.metric; it is ended (pruned) after a validation by which it is worse than the
median of the others at theirs.

The study is kept in the folder outputs/search/NAME_OF_THE_FILE: the same command goes on after an
interruption, in the middle of a trial, and from as many terminals as there are GPUs trials run side by side.
"""

import argparse
import fcntl
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

try:
    import optuna
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )
    from optuna.trial import FrozenTrial, Trial, TrialState
except ModuleNotFoundError as error:
    sys.exit(f"error: {error}: pip install -e '.[sweep]'")
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig

from seq2scene.errors import UserError
from seq2scene.reports.page.run_files import read_metric
from seq2scene.running.installation import CHECKOUT, CONF, program
from seq2scene.running.options.command_line import quoted

LOOK = 1.0  # seconds between looks at a trial's metrics.csv
FIRST = 3  # if all of the first trials fail, so will the others


def read_space(file: Path, more: Sequence[str]) -> dict[str, Override]:
    """The overrides of a file and then of the command line, by key.

    Raises UserError for a file that is no list, and for what is no override.
    """
    try:
        lines = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{file}: {str(error).splitlines()[0]}") from None
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise UserError(f"{file}: write a list of arguments of src/train.py, as - optimizer.lr=0.001,0.01")
    try:
        found = OverridesParser.create().parse_overrides(quoted(["-m", *lines, *more])[1:])
    except HydraException as error:
        raise UserError(f"{file}: {error}") from None
    return {override.get_key_element(): override for override in found}


def distribution(override: Override) -> BaseDistribution:
    """What Optuna draws from: the values, or numbers from start to stop."""
    value = override.value()
    if override.is_choice_sweep():
        return CategoricalDistribution(list(override.sweep_string_iterator()))
    if override.is_range_sweep():
        last = list(override.sweep_iterator())[-1]
        kind = IntDistribution if isinstance(value.step, int) else FloatDistribution
        return kind(value.start, last, step=value.step)
    kind = IntDistribution if isinstance(value.start, int) else FloatDistribution
    return kind(value.start, value.end, log="log" in value.tags)


def written(value: Any) -> str:
    """A drawn value as an override has it."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def composed(overrides: Sequence[str]) -> DictConfig:
    """The config of a trial. Raises UserError for an option that does not exist."""
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose("train", list(overrides))
    except HydraException as error:
        raise UserError(str(error).splitlines()[0]) from None


class Search:
    """The trials of a study in ``folder``."""

    def __init__(
        self, space: dict[str, Override], folder: Path, seed: int, prune: bool, warm_up: int
    ) -> None:
        searched = {key: one for key, one in space.items() if one.is_sweep_override()}
        if not searched:
            raise UserError("nothing to search: no argument has several values")
        self.fixed = [one.input_line for key, one in space.items() if key not in searched]
        self.space = {key: distribution(one) for key, one in searched.items()}
        first = {
            key: one.choices[0] if hasattr(one, "choices") else one.low for key, one in self.space.items()
        }
        config = composed([*self.fixed, *(f"{key}={written(value)}" for key, value in first.items())])
        for key, one in self.space.items():  # a misspelt value is noticed before the first trial
            for value in getattr(one, "choices", ())[1:]:
                composed([*self.fixed, f"{key}={value}"])
        self.metric, self.maximize = config.monitor.metric, config.monitor.mode == "max"
        self.folder = folder
        if "wandb" in (config.logger or {}) and config.logger.wandb.group is None:
            self.fixed.append(f"logger.wandb.group={folder.name}")
        folder.mkdir(parents=True, exist_ok=True)
        self.study = optuna.create_study(
            storage=f"sqlite:///{folder}/study.db",
            study_name=folder.name,
            load_if_exists=True,
            direction="maximize" if self.maximize else "minimize",
            pruner=optuna.pruners.MedianPruner(n_warmup_steps=warm_up)
            if prune
            else optuna.pruners.NopPruner(),
        )
        # Another call goes on with other draws than those that the study began with.
        self.study.sampler = optuna.samplers.TPESampler(seed=seed + len(self.study.trials))
        described = {"fixed": sorted(self.fixed), "space": {key: str(one) for key, one in self.space.items()}}
        before = self.study.user_attrs.get("described", described)
        if before != described:
            raise UserError(f"{folder} has a search of another space or other fixed settings: --folder NEW")
        self.study.set_user_attr("described", described)

    def run(self, trials: int) -> None:
        """Runs trials until there are so many, interrupted ones first."""
        while True:
            with self._next(trials) as taken:
                if taken is None:
                    return
                self._try(*taken)
            ended = [trial for trial in self.study.trials if trial.state.is_finished()]
            if len(ended) >= FIRST and all(trial.state == TrialState.FAIL for trial in ended):
                raise UserError(f"all of the first {len(ended)} trials failed; {self.folder} says why")

    @contextmanager
    def _next(self, trials: int) -> Iterator[tuple[Trial, IO[str]] | None]:
        """The next trial with its log, which is locked while it runs; None if there are enough."""
        known = self.study.get_trials(deepcopy=False)
        for frozen in (one for one in known if one.state == TrialState.RUNNING):
            with self._log(frozen.number) as log:
                if log is not None:  # whoever ran it has ended
                    yield Trial(self.study, frozen._trial_id), log
                    return
        if sum(one.state != TrialState.WAITING for one in known) >= trials:
            yield None
            return
        trial = self.study.ask(self.space)
        with self._log(trial.number) as log:
            yield trial, log

    @contextmanager
    def _log(self, number: int) -> Iterator[IO[str] | None]:
        with open(self.folder / f"{number}.log", "a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield file

    def _try(self, trial: Trial, log: IO[str]) -> None:
        run = self.folder / str(trial.number)
        drawn = [f"{key}={written(value)}" for key, value in trial.params.items()]
        again = ["resume=auto"] if run.is_dir() else []
        command = [*program("train"), *self.fixed, *drawn, *again, f"hydra.run.dir={run}"]
        begun = time.monotonic()
        pruned = None
        with subprocess.Popen(command, cwd=CHECKOUT, stdout=log, stderr=subprocess.STDOUT) as process:
            while process.poll() is None:
                time.sleep(LOOK)
                self._report(trial, run)
                if pruned is None and trial.should_prune():
                    pruned = len(self._values(run))
                    process.terminate()  # it saves a checkpoint and ends
        self._report(trial, run)
        values = [value for value in self._values(run) if value == value]
        if pruned is not None and process.returncode != 0:
            self.study.tell(trial, state=TrialState.PRUNED)
            said = f"pruned after validation {pruned}"
            (run / "pruned.txt").write_text(f"after validation {pruned}\n", encoding="utf-8")
        elif process.returncode == 0 and values:
            best = (max if self.maximize else min)(values)
            self.study.tell(trial, best)
            said = f"{self.metric} {best:.4g}"
        else:
            said = last_line(log)
            run.mkdir(exist_ok=True)
            (run / "error.txt").write_text(
                f"job {trial.number}: {said}\n{shlex.join(drawn)}\n", encoding="utf-8"
            )
            self.study.tell(trial, state=TrialState.FAIL)
        minutes = (time.monotonic() - begun) / 60
        print(f"trial {trial.number}: {said} ({minutes:.1f} min)  {' '.join(drawn)}", flush=True)

    def _values(self, run: Path) -> list[float]:
        return read_metric(run, self.metric)

    def _report(self, trial: Trial, run: Path) -> None:
        """Reports the validations since the last call; the first has number 1."""
        known = self.study.get_trials(deepcopy=False)[trial.number].intermediate_values
        for number, value in enumerate(self._values(run), start=1):
            if number not in known:
                trial.report(value, number)

    def best(self) -> FrozenTrial | None:
        """The best trial that ended; None if none did."""
        done = [one for one in self.study.trials if one.state == TrialState.COMPLETE]
        return self.study.best_trial if done else None


def last_line(log: IO[str]) -> str:
    """The last line that says ``error:``, or else the last."""
    log.seek(0)
    lines = [line.strip() for line in log if line.strip()] or ["no output"]
    return next((line for line in reversed(lines) if line.startswith("error: ")), lines[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("space", type=Path, help="the file")
    parser.add_argument("overrides", nargs="*", help="more arguments of src/train.py")
    parser.add_argument("--trials", type=int, default=20, help="in all, those of earlier calls included (20)")
    parser.add_argument("--folder", type=Path, help="of the study, instead of outputs/search/NAME")
    parser.add_argument("--seed", type=int, default=1, help="of the settings that are tried (1)")
    parser.add_argument("--no-prune", action="store_true", help="let all trials come to their end")
    parser.add_argument("--warm-up", type=int, default=1, help="validations before a trial may be pruned (1)")
    options = parser.parse_intermixed_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = read_space(options.space, options.overrides)
    folder = options.folder or Path(composed([]).paths.outputs, "search", options.space.stem)
    search = Search(space, folder.resolve(), options.seed, not options.no_prune, options.warm_up)
    search.run(options.trials)
    best = search.best()
    if best is not None:
        drawn = [f"{key}={written(value)}" for key, value in best.params.items()]
        print(f"best: trial {best.number}, {search.metric} {best.value:.4g}; to train it again:")
        print(f"  {shlex.join(['python', 'src/train.py', *search.fixed, *drawn])}")
    print(f"all trials in a table: python experiments/sweep_summary.py {folder}")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on")
