import unicodedata

import pytest
import torch

from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import CHOICES, Whitespace, Words, choose
from seq2scene.sequences.vocabulary import Vocabulary

LINES = ["a dog runs", "a cat sleeps on the mat", "the dog sleeps"] * 5


def language(name: str = "whitespace") -> Language:
    tokenizer = choose(name, "en", vocabulary_size=21)
    tokenizer.train(LINES)
    return Language(tokenizer, Vocabulary.count(map(tokenizer.split, LINES)))


@pytest.mark.parametrize("name", CHOICES)
def test_decoding_undoes_encoding(name):
    english = language(name)
    assert [english.decode(english.encode(line)) for line in LINES] == LINES


@pytest.mark.parametrize("name", CHOICES)
def test_a_language_survives_a_safe_checkpoint(name, tmp_path):
    english = language(name)
    torch.save(english.state(), tmp_path / "language.pt")
    loaded = Language.from_state(torch.load(tmp_path / "language.pt", weights_only=True))
    assert [loaded.encode(line) for line in LINES] == [english.encode(line) for line in LINES]
    assert loaded.decode(loaded.encode(LINES[1])) == LINES[1]


def test_decoding_stops_at_the_first_eos_and_skips_padding_and_bos():
    english = language()
    v = english.vocabulary
    a, dog, runs = english.encode("a dog runs")
    assert english.decode(torch.tensor([v.bos, a, dog, v.eos, runs, v.pad])) == "a dog"
    assert english.tokens([a, v.pad, v.unk]) == ["a", "<unk>"]


def test_a_word_spelt_like_eos_does_not_end_a_sentence():
    english = Language(Whitespace(), Vocabulary.count([["a", "<eos>", "b"]]))
    assert english.decode(english.encode("a <eos> b")) == "a <eos> b"


def test_a_batch_is_its_lines_padded():
    english = language()
    batch = english.batch(["a dog runs", "", "the dog"])
    assert batch.lengths.tolist() == [3, 0, 2]
    assert batch.mask.sum(1).tolist() == [3, 0, 2]
    assert batch.ids[2].tolist() == [*english.encode("the dog"), english.vocabulary.pad]


def test_a_batch_of_empty_lines_has_one_padded_position():
    batch = language().batch(["", ""])
    assert batch.ids.shape == (2, 1)
    assert not batch.mask.any()


def test_a_batch_may_end_in_eos():
    english = language()
    batch = english.batch(["a dog", ""], eos=True)
    assert batch.ids[1, 0] == batch.ids[0, 2] == english.vocabulary.eos
    assert batch.lengths.tolist() == [3, 1]


@pytest.mark.parametrize("name", CHOICES)
def test_typed_characters_are_read_as_those_that_the_vocabulary_has(name):
    english = language(name)
    for typed in (
        "\u200fa dog\u200e \ufeffruns\u2060\ufe0f",  # writing direction, byte-order mark, joiner, variant
        "a\u00a0dog\u2003runs",
        "a\u3000dog\u2028runs",
        "\uff41 \uff44\uff4f\uff47 runs",
        "a d\u200bo\u00adg runs",
    ):
        assert english.encode(typed) == english.encode("a dog runs")
        assert not english.unknown(typed)


def test_quotes_and_dashes_are_read_as_plain_ones_where_the_vocabulary_has_no_others():
    plain = Language(Whitespace(), Vocabulary.count([["don't", '"', "-", "well-known"]]))
    assert plain.split("“ don\u2019t ” — well\u2011known \u2013 «") == [
        '"',
        "don't",
        '"',
        "-",
        "well-known",
        "-",
        '"',
    ]
    french = Language(Whitespace(), Vocabulary.count([["«", "l\u2019ami", "»"]]))
    assert french.split("« l\u2019ami »") == ["«", "l\u2019ami", "»"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_are_read_in_the_form_of_the_vocabulary(form):
    word = unicodedata.normalize(form, "fröhlich")
    german = Language(Whitespace(lowercase=True), Vocabulary.count([[word]]))
    for typed in ("fröhlich", "FRÖHLICH", unicodedata.normalize("NFD", "Fröhlich")):
        assert german.split(typed) == [word]


def test_a_word_that_no_form_makes_known_stays_and_is_told():
    english = language("treebank")
    assert english.unknown("a dög 犬 runs") == ["dög", "犬"]
    read = Language(Words(), Vocabulary.count([["a", "dog"]]))
    assert read.split("a dog, 2 dogs 🐕 ...") == ["a", "dog", "dogs"]
    assert read.unknown("a dog, 2 dogs 🐕 ...") == ["2", "dogs", "🐕"]
