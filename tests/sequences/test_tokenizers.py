import gzip

import pytest

from seq2scene.errors import UserError
from seq2scene.sequences.tokenizers import (
    CHOICES,
    Character,
    Moses,
    SentencePiece,
    Whitespace,
    choose,
    restore,
)

LINES = [
    "Two dogs run on the grass.",
    "A girl holds a red ball.",
    "The ball is under the tree.",
    "Three boys throw a football over the wall.",
    "The girl with the red hat throws the ball to the dogs.",
    "Under the tree two boys are holding the dog.",
] * 5


def test_whitespace_splits_at_ascii_spaces_only():
    assert Whitespace().split(" a  \u00a0 b\tc\u2028d ") == ["a", "\u00a0", "b\tc\u2028d"]


@pytest.mark.parametrize("name", CHOICES)
def test_splitting_and_joining_gives_the_line_back(name):
    tokenizer = choose(name, "en", vocabulary_size=36)
    tokenizer.train(LINES)
    line = "A girl holds the red ball."
    tokens = tokenizer.split("A girl holds the red ball ." if name == "whitespace" else line)
    assert tokenizer.join(tokens).replace(" .", ".") == line


@pytest.mark.parametrize("name", CHOICES)
def test_a_restored_tokenizer_splits_alike(name):
    tokenizer = choose(name, "de", lowercase=True, vocabulary_size=36)
    tokenizer.train(LINES)
    restored = restore(tokenizer.state())
    assert restored.split(LINES[0]) == tokenizer.split(LINES[0])
    assert restored.state() == tokenizer.state()


@pytest.mark.parametrize("name", CHOICES)
def test_lowercase_leaves_no_capital(name):
    tokenizer = choose(name, "en", lowercase=True, vocabulary_size=36)
    tokenizer.train(LINES)
    text = "".join(tokenizer.split(LINES[0]))
    assert text == text.lower()


@pytest.mark.parametrize("name", CHOICES)
def test_an_empty_line_has_no_tokens_and_joins_to_nothing(name):
    tokenizer = choose(name, "en", vocabulary_size=36)
    tokenizer.train(LINES)
    assert tokenizer.split("") == []
    assert tokenizer.join([]) == ""


@pytest.mark.parametrize("model_type", ["bpe", "unigram"])
def test_too_many_pieces_are_refused_with_a_number_that_works(model_type):
    with pytest.raises(UserError, match="too large") as refusal:
        SentencePiece(model_type, 5000).train(LINES)
    largest = int(str(refusal.value).split()[-6])
    SentencePiece(model_type, largest).train(LINES)


@pytest.mark.parametrize("model_type", ["bpe", "unigram"])
def test_too_few_pieces_are_refused_with_a_number_that_works(model_type):
    with pytest.raises(UserError, match="too small") as refusal:
        SentencePiece(model_type, 5).train(LINES)
    smallest = int(str(refusal.value).split()[-1])
    SentencePiece(model_type, smallest + 1).train(LINES)


@pytest.mark.parametrize("model_type", ["bpe", "unigram"])
def test_pieces_are_learnt_from_long_lines_too(model_type):
    long = "zebra quagga " * 1000  # 13,000 bytes
    for lines in ([long], [*LINES, long]):
        tokenizer = SentencePiece(model_type, 13 if len(lines) == 1 else 40)
        tokenizer.train(lines)
        assert set("zq") & set("".join(tokenizer.split("zebra quagga")))
        pieces = [tokenizer._pieces.id_to_piece(n) for n in range(tokenizer._pieces.get_piece_size())]
        assert any("z" in piece for piece in pieces) and any("q" in piece for piece in pieces)


@pytest.mark.parametrize("model_type", ["bpe", "unigram"])
@pytest.mark.parametrize("lines", [[], ["", " "], ["\u3000", "\u200b"]])
def test_a_text_without_characters_is_refused_in_a_line(model_type, lines):
    with pytest.raises(UserError, match=r"^data.tokenizer=\w+: the text has no characters"):
        SentencePiece(model_type, 20).train(lines)


@pytest.mark.parametrize("size", [0, -3])
def test_a_number_of_pieces_is_positive(size):
    with pytest.raises(UserError, match=f"data.vocabulary_size={size} .bpe.: it must be at least 1"):
        SentencePiece("bpe", size).train(LINES)


def test_lines_that_sentencepiece_would_skip_are_learnt_from_and_counted(caplog):
    caplog.set_level("INFO")
    tokenizer = SentencePiece("bpe", 40)
    tokenizer.train([*LINES, "\u2585 zz", "zz \u2585"])
    pieces = [tokenizer._pieces.id_to_piece(n) for n in range(40)]
    assert "z" in "".join(pieces)
    assert "2 lines contain U+2585" in caplog.text


def test_sentencepiece_trains_in_silence(capfd):
    SentencePiece("bpe", 60).train(LINES)
    assert capfd.readouterr() == ("", "")


def test_moses_knows_its_language():
    assert Moses("fr").split("l'herbe") == ["l'", "herbe"]
    assert Moses("en").split("the dog's") == ["the", "dog", "'s"]


def test_moses_leaves_markup_characters_alone():
    assert Moses("en").split("a & b <c>") == ["a", "&", "b", "<", "c", ">"]


def test_characters_are_tokens_spaces_too():
    assert Character().split("a b") == ["a", " ", "b"]


def test_an_unknown_tokenizer_is_refused_with_the_choices():
    with pytest.raises(UserError, match="whitespace, moses, treebank, bpe, unigram, character"):
        choose("spacy", "en")


def test_moses_agrees_with_the_published_tokens_of_multi30k(shared_data):
    folder = shared_data / "multi30k"
    raw = gzip.decompress((folder / "val.de.gz").read_bytes()).decode().split("\n")
    published = gzip.decompress((folder / "tok" / "val.lc.norm.tok.de.gz").read_bytes()).decode().split("\n")
    moses = Moses("de", lowercase=True)
    ours = [" ".join(moses.split(line)) for line in raw]
    unescaped = [line.replace("&apos;", "'").replace("&quot;", '"') for line in published]
    assert sum(a == b for a, b in zip(ours, unescaped, strict=True)) > 0.99 * len(raw)
