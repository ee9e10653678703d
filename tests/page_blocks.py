"""The blocks of code on the pages of documentation, and how each is run.

A block runs unless an HTML comment on the line before it says why not: ``<!-- not run: REASON -->``. Blocks
of a page share one folder and, in Python, one set of variables. A block whose first line is a comment with a
path is a file: ``# src/seq2scene/NAME.py`` and ``# conf/GROUP/NAME.yaml`` are new files; ``# in FILE`` is
appended to a module, and replaces the lines of a config that have the same keys.
"""

import copy
import importlib.util
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

import seq2scene.running.entry  # noqa: F401  (the configs' variables)
from seq2scene.models.loading import shipped_models
from seq2scene.running.cli import COMMANDS
from seq2scene.running.options.bounds import check_dropped, check_values
from seq2scene.running.options.command_line import quoted
from seq2scene.running.options.task_compatibility import check_choices

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"
RUN = ("bash", "python", "yaml")  # the languages of blocks that are run
SHOWN = ("text", "json", "bibtex", "toml", "markdown", "html")  # those of blocks that are only read
FENCE = re.compile(r"^(\s*)(`{3,}|~{3,})(.*)$")
NOT_RUN = re.compile(r"<!-- not run: (.+) -->")
BRACES = re.compile(r"""(?<!\S)[^\s'"#]*\{[^\s'"]*,[^\s'"]*\}[^\s'"]*(?!\S)""")  # of words without quotes
PATH = re.compile(r"# (in )?((?:src|conf)/\S+\.(?:py|yaml))$")
# Programs that start others, and what is around a command in a shell
PROGRAMS = ("python", "seq2scene", "make", "pip", "torchrun", "srun", "sbatch")
STARTERS = ("torchrun", "srun", "nohup", "nice", "env", "time", "exec")
OF_PLUGINS = ("hydra/sweeper", "hydra/launcher", "hydra.sweeper.", "hydra.launcher.")  # in extras
OPTIONS_OF_STARTERS = re.compile(r"-{1,2}[\w-]+(=\S+)?|\w+=\S*")


@dataclass(frozen=True)
class Block:
    """page: its file. line: of the opening fence. reason: why it is not run, None if it is."""

    page: Path
    line: int
    language: str
    text: str
    reason: str | None

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file(self) -> tuple[str, bool] | None:
        """The path of the file that it is, and whether it is added to one that exists."""
        found = PATH.match(self.text.partition("\n")[0])
        return None if found is None else (found[2], found[1] is not None)


def pages() -> list[Path]:
    """All pages, lessons excepted, which have tests of their own."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(path for path in found if not {"_build", "_generated", "lessons"} & set(path.parts))


@cache
def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order; an indented one is a block of shell if it begins with a program."""
    lines, found, number = page.read_text(encoding="utf-8").splitlines(), [], 0
    while number < len(lines):
        start, opened = number, FENCE.match(lines[number])
        number += 1
        if opened:
            indent, fence, language = opened.groups()
            while lines[number].strip() != fence:
                number += 1
            body = [line.removeprefix(indent) for line in lines[start + 1 : number]]
            number += 1
        elif lines[start].startswith("    ") and not lines[start - 1]:
            while number < len(lines) and lines[number].startswith("    "):
                number += 1
            body = [line.removeprefix("    ") for line in lines[start:number]]
            language = "bash" if body[0].split()[0] in PROGRAMS else "text"
        else:
            continue
        reason = NOT_RUN.fullmatch(lines[start - 1].strip()) or NOT_RUN.fullmatch(lines[start - 2].strip())
        text = "".join(f"{line}\n" for line in body)
        found.append(Block(page, start + 1, language.strip(), text, reason and reason[1]))
    return found


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of a shell block, of pipes and lists one after the other."""
    for line in text.replace("\\\n", " ").splitlines():
        line = BRACES.sub(lambda word: " ".join(expanded(word[0])), line)
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split, lexer.commenters = True, "#"
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("|&;"):
                if words:
                    yield words
                words = []
            else:
                words.append(word)


def expanded(word: str) -> list[str]:
    """A word with braces, ``a.{b,c}``, as a shell expands it."""
    found = re.fullmatch(r"(.*?)\{([^{}]*,[^{}]*)\}(.*)", word)
    if found is None:
        return [word]
    before, choices, after = found.groups()
    return [one for choice in choices.split(",") for one in expanded(f"{before}{choice}{after}")]


def check_command(words: list[str], conf: Path = CONF) -> list[list[str]]:
    """Raises unless a command is one of this project's, with options that it has. Returns the arguments of
    each job that was composed, the command's name first.
    """
    words = [word.removeprefix(".venv/bin/") for word in words]
    while words and (words[0] in STARTERS or OPTIONS_OF_STARTERS.fullmatch(words[0])):
        words = words[1:]
    if "<" in words or ">" in words:
        words = words[: min(words.index(mark) for mark in "<>" if mark in words)]
    match words:
        case []:
            return []
        case ["python", script, *rest] if script.startswith("src/"):
            return check_job(Path(script).stem, rest, conf)
        case [script, *rest] if script.startswith("src/"):  # after torchrun
            return check_job(Path(script).stem, rest, conf)
        case ["seq2scene", "--help" | "--version"] | ["cat", *_]:
            return []
        case ["seq2scene", name, *rest]:
            return check_job(name, rest, conf)
        case ["python", script, *rest] if script.startswith(("benchmarks/", "experiments/", "docs/")):
            check_script(ROOT / script, rest)
        case ["sbatch", *options]:  # the script, which trains, after the options
            script, *rest = (one for one in options if not one.startswith("-"))
            assert (ROOT / script).is_file(), f"{script} does not exist"
            return check_job("train", rest, conf)
        case ["sh", script, *rest]:
            return check_job("train", [*arguments_of(ROOT / script), *rest], conf)
        case ["make", target, *rest]:
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            assert re.search(rf"^{target}:", makefile, re.M), f"make {target}: no such target"
            for arguments in (one.removeprefix("ARGS=") for one in rest if one.startswith("ARGS=")):
                check_job({"demo": "demo"}.get(target, "train"), shlex.split(arguments), conf)
        case ["pip", "install", *rest]:
            declared = (ROOT / "setup.cfg").read_text(encoding="utf-8")
            for extra in re.findall(r"\[([\w,]+)\]", " ".join(rest)):
                for name in extra.split(","):
                    assert re.search(rf"^{name} =$", declared, re.M), f"{name} is not an extra"
        case _:
            raise AssertionError(f"{' '.join(words)}: not a command that is known; say why it is not run")
    return []


def arguments_of(script: Path) -> list[str]:
    """The arguments that a shell script gives to src/train.py."""
    (words,) = commands(script.read_text(encoding="utf-8"))
    return [word for word in words[words.index("src/train.py") + 1 :] if not word.startswith("$")]


def check_script(script: Path, arguments: list[str]) -> None:
    """Raises unless a script exists and its text names the options."""
    text = script.read_text(encoding="utf-8")
    for option in (one.partition("=")[0] for one in arguments if one.startswith("--")):
        assert f'"{option}"' in text, f"{script.name} has no option {option}"


def check_job(name: str, arguments: list[str], conf: Path = CONF) -> list[list[str]]:
    """Composes a command's config, in a sweep that of the jobs with each value once."""
    assert name in COMMANDS, f"{name} is not a command"
    arguments = quoted(
        [one for one in arguments if one not in ("...", "--help", "--cfg", "job", "--resolve")]
    )
    sweep = any(one in ("-m", "--multirun") for one in arguments)
    arguments = [one for one in arguments if not one.lstrip("+").startswith(("-", *OF_PLUGINS))]
    jobs = values_once(arguments) if sweep else [arguments]
    for job in jobs:
        if not is_composed_elsewhere(name, job, conf):
            check_config(name, tuple(job), conf)
    return [[name, *job] for job in jobs]


def values_once(arguments: list[str]) -> list[list[str]]:
    """The fewest jobs of a sweep in which each of its values occurs."""
    parsed = OverridesParser.create().parse_overrides(arguments)
    swept = [
        [f"{one.get_key_element()}={value}" for value in one.sweep_string_iterator()]
        if one.is_discrete_sweep()
        else [argument]
        for one, argument in zip(parsed, arguments, strict=True)
        if not one.is_interval_sweep()  # which a sweeper draws from
    ]
    return [[values[min(n, len(values) - 1)] for values in swept] for n in range(max(map(len, swept)))]


def check_config(name: str, arguments: tuple[str, ...], conf: Path = CONF) -> DictConfig:
    """The config of a job, checked as its command checks it before any work."""
    choices = tuple(one for one in arguments if (conf / one.lstrip("+").partition("=")[0]).is_dir())
    values = OverridesParser.create().parse_overrides([one for one in arguments if one not in choices])
    base = composed(name, choices, conf)
    cfg = copy.deepcopy(base)
    ConfigLoaderImpl._apply_overrides_to_config(values, cfg)  # as Hydra does after it has composed
    with open_dict(cfg):
        del cfg["hydra"]
    if name in ("train", "generate"):  # others have values that a checkpoint fills
        HydraConfig.instance().cfg = base
        try:
            config = OmegaConf.to_container(cfg, resolve=True)
        finally:
            HydraConfig.instance().cfg = None
        check_values(config)
        if name == "train":
            check_choices(base.hydra.runtime.choices, config)
            check_dropped(list(arguments))
    return cfg


@cache
def composed(name: str, choices: tuple[str, ...], conf: Path) -> DictConfig:
    """A command's config with options chosen, Hydra's own included; composing takes a fifth of a second."""
    with initialize_config_dir(str(conf), version_base="1.3", job_name="test"):
        overrides = [*choices, "hydra.runtime.output_dir=outputs/test"]
        return compose(name, overrides, return_hydra_config=True)


def is_composed_elsewhere(name: str, arguments: list[str], conf: Path) -> bool:
    """Whether a job chooses one option that exists, and nothing more: tests/test_configs.py and
    tests/test_experiments.py compose each of them.
    """
    groups = ("task", "experiment", "debug", "logger", "trainer")
    match [one.split("=") for one in arguments]:
        case [[group, option]] if name == "train" and group in groups and conf == CONF:
            return (conf / group / f"{option}.yaml").is_file()
    return False


def is_done_by_a_shipped_model(job: list[str]) -> bool:
    """Whether a job needs nothing but a model that ships."""
    name, *arguments = job
    given = dict(one.split("=", 1) for one in arguments)
    ckpt = given.get("ckpt", "park-scene").strip("'")
    known = ckpt in shipped_models() and given.keys() <= {"ckpt", "text", "out", "search", "n_best", "scores"}
    return name == "generate" and "text" in given and known


@dataclass
class Session:
    """The blocks of one page, run in order in ``folder``.

    commands: how many commands were checked. jobs: those that were composed.
    """

    folder: Path
    conf: Path = CONF
    variables: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    commands: int = 0
    jobs: list[list[str]] = field(default_factory=list)

    def run(self, block: Block) -> None:
        if block.file is not None:
            self.write(block)
        elif block.language == "bash":
            for words in commands(block.text):
                self.jobs += check_command(words, self.conf)
                self.commands += 1
        elif block.language == "python":
            with chdir(self.folder):
                exec(compile("\n" * block.line + block.text, str(block.page), "exec"), self.variables)

    def write(self, block: Block) -> None:
        name, in_file = block.file
        if name.startswith("src/"):
            self.add_module(name, in_file, block)
            return
        if self.conf == CONF:
            self.conf = self.folder / "conf"
            shutil.copytree(CONF, self.conf)
        path = self.conf.parent / name
        assert path.exists() == in_file, f"{block.place}: {name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8") if in_file else ""
        new = block.text.partition("\n")[2]  # without the path
        path.write_text(changed(text, block) if in_file else new, encoding="utf-8")

    def add_module(self, name: str, in_file: bool, block: Block) -> None:
        full = name.removeprefix("src/").removesuffix(".py").replace("/", ".")
        code = compile("\n" * block.line + block.text, str(block.page), "exec")
        if in_file:
            exec(code, vars(import_module(full)))
            return
        assert importlib.util.find_spec(full) is None, f"{block.place}: {name} exists"
        sys.modules[full] = module = ModuleType(full)
        exec(code, vars(module))


def changed(text: str, block: Block) -> str:
    """The text of a config with those lines replaced whose keys the block has."""
    for line in block.text.splitlines()[1:]:
        key = line.partition(":")[0] + ":"
        lines = text.splitlines()
        places = [number for number, one in enumerate(lines) if one.startswith(key)]
        assert len(places) == 1, f"{block.place}: {key.strip()} stands {len(places)} times in {block.file[0]}"
        lines[places[0]] = line
        text = "\n".join(lines) + "\n"
    return text


@contextmanager
def session(folder: Path) -> Iterator[Session]:
    """A session whose modules are forgotten at the end."""
    before, modules = dict(sys.modules), {}
    for name, module in before.items():
        if name.startswith("seq2scene"):
            modules[name] = dict(vars(module))
    try:
        yield Session(folder)
    finally:
        for name in [one for one in sys.modules if one.startswith("seq2scene") and one not in before]:
            if getattr(sys.modules[name], "__file__", None) is None:
                del sys.modules[name]
        for name, names in modules.items():
            for added in vars(sys.modules[name]).keys() - names.keys():
                if getattr(vars(sys.modules[name])[added], "__module__", None) == name:
                    delattr(sys.modules[name], added)
