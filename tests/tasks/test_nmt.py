"""The scores of translations count the words that the target language has."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import sacrebleu
import torch

from seq2scene.reports.report import ScoredSet
from seq2scene.reports.text.alignment_recorder import AlignedLine
from seq2scene.reports.text.lengths import Lengths, read_csv
from seq2scene.reports.text.unknown_words import score_replaced
from seq2scene.sequences.batch import ParallelBatch
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import Tokenizer, choose
from seq2scene.sequences.vocabulary import Vocabulary
from seq2scene.tasks.nmt import NMT
from test_configs import compose_plain

CHINESE = ["我们喜欢吃苹果和香蕉。", "狗和猫在公园里玩球!", "他们是我的好朋友。", "她在公园里吃苹果。"]
WRITTEN = ["我们喜欢吃苹果。", "狗和猫在公园里玩!", "他们是我好朋友。", "她在公园里吃苹果。"]
GERMAN = ["ein Mann steht neben dem Baum .", "der Hund schläft unter dem Baum ."]


def task(folder: Path, code: str, tokenizer: Tokenizer, lines: Sequence[str], *overrides: str) -> NMT:
    """A translator into the language ``code``, which knows the tokens of ``lines``."""
    tokenizer.train(lines)
    target = Language(tokenizer, Vocabulary.count(map(tokenizer.split, lines)))
    config = compose_plain(folder, "task=nmt", "debug=tiny", *overrides)
    description = {"source": target.state(), "target": target.state(), "target_language": code}
    return NMT(config, {**description, "source_eos": False}).eval()


def scored_set(module: NMT, written: Sequence[str], references: Sequence[str], monkeypatch) -> ScoredSet:
    """The lines as if the model had ``written`` them, scored."""
    tokens = module.target.batch(written, eos=True)
    found = SimpleNamespace(tokens=tokens.ids.unsqueeze(1), log_probs=torch.zeros(len(written), 1))
    monkeypatch.setattr(module, "translate", lambda *inputs, **options: found)
    batch = ParallelBatch(
        *(module.source.batch(references), module.target.batch(references, eos=True)),
        *(torch.arange(len(references)), tuple(references)),
    )
    module.test_step(batch, 0)
    data = SimpleNamespace(references=lambda name: list(references), sources=lambda name: list(references))
    return ScoredSet(
        task=module,
        data=data,
        device=torch.device("cpu"),
        name="test",
        outputs=module.in_order(module.outputs),
    )


def scores(module: NMT) -> dict[str, float]:
    metrics = module.scores["test_scores"]
    return {name: metrics[name].compute().item() for name in ("bleu", "bleu_tok", "length_ratio")}


@pytest.mark.parametrize(
    ("code", "tokenize", "kind"), [("zh", "zh", "bpe"), ("zh-CN", "zh", "unigram"), ("ja", "char", "bpe")]
)
def test_subwords_of_a_language_without_spaces_are_scored_by_its_characters(
    code: str, tokenize: str, kind: str, tmp_path, monkeypatch
) -> None:
    module = task(tmp_path, code, choose(kind, code, vocabulary_size=32), CHINESE)
    test = scored_set(module, WRITTEN, CHINESE, monkeypatch)
    theirs = sacrebleu.corpus_bleu(WRITTEN, [CHINESE], tokenize=tokenize)
    assert 50 < theirs.score < 90
    ratio = sum(map(len, WRITTEN)) / sum(map(len, CHINESE))
    expected = {"bleu": theirs.score, "bleu_tok": theirs.score, "length_ratio": ratio}
    assert scores(module) == pytest.approx(expected)
    assert f"tok:{tokenize}|" in module.scores["test_scores"]["bleu"].signature()
    Lengths(width=99).write(test, tmp_path)
    (row,) = read_csv(tmp_path / "test.by_length.csv")["test"]
    assert (row.longest, row.ratio) == (11, pytest.approx(ratio, abs=1e-4))
    assert row.bleu == pytest.approx(theirs.score, abs=1e-4)
    split = [module.target.split(line) for line in WRITTEN]
    lines = [AlignedLine(n, row, [False] * len(row), [0] * len(row)) for n, row in enumerate(split)]
    replaced, rows = score_replaced(test, lines, {})
    assert replaced["bleu_replaced"] == replaced["bleu_tok_replaced"] == pytest.approx(theirs.score)
    assert rows[3][3:] == ("她 在 公 园 里 吃 苹 果 。",) * 3


def test_own_tokens_stay_own_tokens_whatever_the_language(tmp_path, monkeypatch) -> None:
    """Of text that was divided into words before, as of a language with spaces."""
    lines = ["我们 喜欢 吃 苹果 。", "狗 在 公园 里 。"]
    module = task(tmp_path, "zh", choose("whitespace", "zh"), lines)
    test = scored_set(module, ["我们 喜欢 苹果 。", "狗 在 公园 里 。"], lines, monkeypatch)
    assert [one.words for one in test.outputs] == ["我们 喜欢 苹果 。", "狗 在 公园 里 。"]
    assert scores(module)["length_ratio"] == 9 / 10
    german = task(tmp_path, "de", choose("bpe", "de", vocabulary_size=30), GERMAN)
    assert german.own_words(german.target.split(GERMAN[0])) == GERMAN[0]
    assert "tok:13a" in german.scores["test_scores"]["bleu"].signature()


def test_the_reward_of_self_critical_training_is_the_bleu_of_the_language(tmp_path) -> None:
    chinese, german = (
        task(tmp_path, code, choose("whitespace", code), CHINESE, "loss=self_critical")
        for code in ("zh", "de")
    )
    (best, near), (_, far) = (
        module.reward([CHINESE[0], WRITTEN[0]], [CHINESE[:1]] * 2) for module in (chinese, german)
    )
    theirs = sacrebleu.sentence_bleu(WRITTEN[0], CHINESE[:1], tokenize="zh")
    assert (best, near) == (pytest.approx(1), pytest.approx(theirs.score / 100)) and far < near


@pytest.mark.parametrize("kind", ["moses", "treebank"])
def test_an_unknown_word_is_one_word_of_the_output_by_length_too(kind: str, tmp_path, monkeypatch) -> None:
    """Joined to text and split again it would be three."""
    module = task(tmp_path, "de", choose(kind, "de"), ["ein steht neben dem . der Hund schläft unter"])
    test = scored_set(module, GERMAN, GERMAN, monkeypatch)
    assert test.outputs[0].words == "ein <unk> steht neben dem <unk> ."
    Lengths(width=99).write(test, tmp_path)
    (row,) = read_csv(tmp_path / "test.by_length.csv")["test"]
    ours = scores(module)
    assert ours["length_ratio"] == row.ratio == 1 and 0 < ours["bleu_tok"] < 100
    assert row.bleu == pytest.approx(ours["bleu_tok"], abs=1e-4)
