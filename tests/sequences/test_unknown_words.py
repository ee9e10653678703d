import numpy as np
import pytest

from seq2scene.errors import UserError
from seq2scene.sequences.corpus import Tokens
from seq2scene.sequences.unknown_words import (
    Entry,
    LinkCounts,
    load_dictionary,
    merged,
    replace_unknown,
    save_dictionary,
)


def text(*lines: str) -> Tokens:
    words = [line.split() for line in lines]
    types = list(dict.fromkeys(word for line in words for word in line))
    places = np.array([types.index(word) for line in words for word in line], dtype=np.int32)
    return Tokens(types, places, np.cumsum([0, *map(len, words)]))


SOURCE = ["the", "ecotax", "portico", "in", "Pont-de-Buis"]
DICTIONARY = {"ecotax": "écotaxe", "portico": "portique"}


def test_an_unknown_word_becomes_the_translation_of_its_source_word_or_a_copy_of_it():
    words = ["le", "<unk>", "<unk>", "de", "<unk>"]
    unknown = [word == "<unk>" for word in words]
    replaced = replace_unknown(words, unknown, [0, 2, 1, 3, 4], SOURCE, DICTIONARY)
    assert replaced == ["le", "portique", "écotaxe", "de", "Pont-de-Buis"]
    copied = replace_unknown(words, unknown, [0, 2, 1, 3, 4], SOURCE, {})
    assert copied == ["le", "portico", "ecotax", "de", "Pont-de-Buis"]


def test_known_words_stay_even_where_they_are_spelt_like_the_symbol_and_unlinked_ones_too():
    assert replace_unknown(["<unk>", "<unk>"], [False, True], [1, -1], SOURCE, DICTIONARY) == [
        "<unk>",
        "<unk>",
    ]


def test_the_likeliest_entry_is_the_one_most_often_linked():
    counts = LinkCounts(text("red snake", "red duck", "snake red"), text("serpent rouge", "canard", "rouge"))
    counts.add(np.array([0, 2]), np.array([[1, 0], [1, -1]]))
    counts.add(np.array([1]), np.array([[0]]))
    assert counts.entries() == [Entry("red", "rouge", 2 / 3, 3 - 1), Entry("snake", "serpent", 1.0, 1)]


def test_of_equals_the_one_the_text_brought_first_is_taken():
    counts = LinkCounts(text("a", "a"), text("y", "x"))
    counts.add(np.array([1, 0]), np.array([[0], [0]]))
    assert counts.entries() == [Entry("a", "y", 0.5, 1)]


def test_the_counts_of_two_ranks_add_up():
    source, target = text("a b", "a", "a"), text("x y", "z", "z")
    whole, first, second = (LinkCounts(source, target) for _ in range(3))
    for counts, line, sources in (
        (first, 0, [[0, 1]]),
        (second, 1, [[0, -1]]),
        (second, 2, [[0]]),
        (whole, 0, [[0, 1]]),
        (whole, 1, [[0]]),
        (whole, 2, [[0]]),
    ):
        counts.add(np.array([line]), np.array(sources))
    parts = [first.counted(), second.counted()]
    assert first.entries(parts) == whole.entries() == [Entry("a", "z", 2 / 3, 2), Entry("b", "y", 1.0, 1)]
    assert merged(parts)[1].sum() == 4


def test_nothing_linked_is_an_empty_dictionary():
    assert LinkCounts(text("a"), text("x")).entries() == []


def test_a_dictionary_reads_back_from_its_file(tmp_path, caplog):
    caplog.set_level("INFO")
    path = tmp_path / "folder" / "words.tsv"
    entries = [Entry('"', "«", 0.5, 3), Entry("Käse", "cheese", 1.0, 2), Entry("a\tb", "c", 1.0, 1)]
    save_dictionary(path, entries)
    assert path.read_text(encoding="utf-8") == '"\t«\t0.5000\t3\nKäse\tcheese\t1.0000\t2\n'
    assert load_dictionary(path) == {'"': "«", "Käse": "cheese"}
    assert caplog.messages == [f"{path}: 1 entries with a tab or a line break in a word are left out"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a\tb\nc\n", "line 2: a dictionary line"),
        ("a\t\n", "line 1"),
        ("a\tb\n\nc\td\n", "line 2"),
        ("a\tb\nb\tc\na\tc\n", "line 3: 'a' already has an entry"),
    ],
)
def test_a_malformed_dictionary_is_refused_with_file_and_line(tmp_path, content, said):
    path = tmp_path / "words.tsv"
    path.write_text(content)
    with pytest.raises(UserError) as refusal:
        load_dictionary(path)
    assert str(path) in str(refusal.value) and said in str(refusal.value)
