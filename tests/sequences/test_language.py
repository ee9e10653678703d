import pytest
import torch

from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import CHOICES, Whitespace, choose
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
