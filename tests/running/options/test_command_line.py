"""Sentences and paths pass unchanged through Hydra's real parser."""

import random
import re
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from entry_points import command
from seq2scene.errors import UserError
from seq2scene.running.options.command_line import LISTS, PATHS, TEXTS, quoted

CONF = Path(__file__).resolve().parents[3] / "conf"
SENTENCES = [
    *("läuft", "a, b", "Don't!", "a = b; c: d", '"Hello," he said.', '"Hello"', "'", '"', "'a' and 'b'"),
    *(
        "1e3",
        "1_000",
        "true",
        "null",
        "NULL",
        "nan",
        "",
        " a ",
        "a\tb",
        "a\nb\n",
        "\r",
        "~",
        "~a",
        "+x",
        "-m",
    ),
    *("\\", "a\\", "\\\\", "\\'", "a\\'", "a'\\", "\\n", "a\\\\b", "$", "${", "${a}", "\\${a}", "\\\\${a}\\"),
    *("[a, b]", "{a: b}", "[", "}", "choice(a,b)", "a#b", "a|b", "<unk>", "?", "100 %", "x=y=z", "text=b"),
    *("日本語", "\N{GRINNING FACE}", "\u2028", "\x85", "\x01", "e\u0301"),
]
FILES = [
    *(
        "a b.txt",
        "läuft, 2=3.txt",
        "it's",
        'an "old" one',
        "[1].txt",
        "{x}",
        "1e3",
        "5",
        "true",
        "#1",
        "a:b",
        "a\\b",
    ),
    *("/a/~b", "$x", "(1)", "a%20b", "~", "*"),
]
PARSER = OverridesParser.create()


def arrived(*arguments: str) -> Any:
    """The value of the last argument in the composed config."""
    override = PARSER.parse_override(quoted(arguments)[-1])
    assert not override.is_sweep_override()
    return OmegaConf.create({"value": override.value()}).value


def random_text(rng: random.Random) -> str:
    special, letters = "'\"\\${}[](),=: ~+#!\n", [chr(rng.randrange(1, 0xD800)) for _ in range(5)]
    return "".join(rng.choice(rng.choice([special, letters])) for _ in range(rng.randrange(12)))


@pytest.mark.parametrize("key", [*TEXTS, "+text", "++prefix"])
def test_a_text_is_what_was_typed(key: str) -> None:
    rng = random.Random(0)
    for text in [*SENTENCES, *(random_text(rng) for _ in range(500))]:
        if not re.fullmatch(r"'(?:\\.|[^\\'])*'", text, re.DOTALL):
            assert arrived(f"{key}={text}") == text
            assert arrived("-m", f"{key}={text}") == text


def test_a_text_in_single_quotes_is_what_hydra_makes_of_it() -> None:
    assert arrived("text='a, b'") == "a, b"
    assert arrived("text='it\\'s'") == "it's"
    assert arrived("text=''") == ""
    assert quoted(quoted(["text=${a}'"])) == quoted(["text=${a}'"])


@pytest.mark.slow
def test_a_composed_config_holds_the_texts_and_paths(composed) -> None:
    for text, path in zip(SENTENCES[::4], FILES, strict=False):
        cfg = composed("generate", *quoted(["ckpt=A B", f"text={text}", f"prefix={text}", f"out={path}"]))
        assert (cfg.ckpt, cfg.text, cfg.prefix) == ("A B", text, text)
        assert cfg.out == (str(Path.home()) if path == "~" else path)


@pytest.mark.parametrize("key", [*PATHS, "ckpt", "data.train", "+data.tests.mine"])
def test_a_path_is_what_was_typed(key: str) -> None:
    for path in set(FILES) - {"~", "5"}:
        assert arrived(f"{key}={path}") == path
        assert arrived(f'{key}="{path}"' if '"' not in path else f"{key}='{path}'") == path


def test_what_paths_have_beyond_their_letters_keeps_its_meaning() -> None:
    assert arrived("out=null") is None
    assert arrived("out=~/a b") == str(Path.home() / "a b")
    assert arrived("out=${oc.env:HOME}/ä") == f"{Path.home()}/ä"
    assert arrived("out=5") == "5"
    assert arrived("data.val_images=5") == 5
    assert arrived("data.val=200") == 200 and arrived("+data.tests.a=.1") == 0.1
    assert arrived("data.val=0.1.txt") == "0.1.txt"
    assert arrived("pictures=5") == 5  # photos, for evaluate.py


def test_brackets_are_a_list_for_keys_that_take_one() -> None:
    assert arrived("ckpt=[A,B]") == ["A", "B"]
    assert arrived("ckpt=[ runs/läuft a , 'c, d', \"e=f\" ]") == ["runs/läuft a", "c, d", "e=f"]
    assert arrived("data.train=[train.en,train 1.de]") == ["train.en", "train 1.de"]
    assert arrived("+data.tests.mine=[1e3,null.de]") == ["1e3", "null.de"]
    assert arrived("out=[A,B]") == "[A,B]"


def test_commas_sweep_over_paths_but_not_over_texts() -> None:
    def swept(argument: str) -> list[str]:
        override = PARSER.parse_override(quoted(["-m", argument])[-1])
        return list(override.sweep_string_iterator()) if override.is_sweep_override() else [override.value()]

    assert swept("ckpt=A b,C") == ["'A b'", "'C'"]
    assert swept("ckpt=[A,B],C") == ["['A','B']", "'C'"]
    assert swept("out='a,b'") == ["a,b"]
    assert swept("ckpt=choice(A,B)") == ["A", "B"]
    assert swept("text=a, b") == ["a, b"]


def test_other_arguments_are_left_to_hydra() -> None:
    others = ["-m", "search=beam", "search.size=5,10", "~heads.pose", "data={root: x}", "--cfg", "job", "a b"]
    assert quoted(others) == others


def test_a_text_that_is_no_utf8_is_refused() -> None:
    with pytest.raises(UserError, match="text: not UTF-8"):
        quoted([b"text=\xe4".decode(errors="surrogateescape")])


def test_every_key_named_is_one_of_the_configs() -> None:
    known = {
        match for path in CONF.rglob("*.yaml") for match in re.findall(r"^\s*(\w+):", path.read_text(), re.M)
    }
    assert {key.split(".")[-1] for key in (*TEXTS, *PATHS, *LISTS)} - {"*", "dir"} <= known


def test_every_key_of_a_command_that_takes_a_path_is_named() -> None:
    for name in ("generate", "evaluate", "score", "average", "report", "export"):
        for line in (CONF / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
            key = re.match(
                r"(\w+): (?:null|\?\?\?)  # .*(file|FILE|folder|checkpoint|where to write|plain or gzip)",
                line,
            )
            if key and key[1] != "text":
                assert key[1] in (*PATHS, *LISTS), line


@pytest.mark.slow
def test_commands_take_ordinary_sentences_and_paths(models) -> None:
    folder = models.folder / "eine Liste, 2=3"
    folder.mkdir()
    (folder / "läuft's.ckpt").symlink_to(models.a)
    text = "a läuft, \"b\" = 'c' ${d}!"
    arguments = [f"ckpt={folder}/läuft's.ckpt", "device=cpu"]
    done = command("generate.py", *arguments, f"text={text}", "out=a b, [c].txt", work=folder)
    assert (done.returncode, done.stderr) == (0, f"line 1: unknown to the model: {text.removeprefix('a ')}\n")
    assert len((folder / "a b, [c].txt").read_text().splitlines()) == 1
    sweep = [f"ckpt={models.b},[{models.a},{models.b}]", "device=cpu", "text=a, b"]
    done = command("generate.py", "-m", *sweep, work=folder)
    assert (done.returncode, done.stderr) == (0, "line 1: unknown to the model: a,\n" * 2)
