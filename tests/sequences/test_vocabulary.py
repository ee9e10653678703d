from collections import Counter

from seq2scene.sequences.vocabulary import Vocabulary

SENTENCES = [["a", "dog", "runs"], ["a", "dog"], ["a", "cat"]]


def test_tokens_are_listed_by_count_and_then_by_the_alphabet():
    vocabulary = Vocabulary.count(SENTENCES)
    assert vocabulary.tokens(range(4, 8)) == ["a", "dog", "cat", "runs"]


def test_min_count_and_max_size_leave_tokens_out():
    assert len(Vocabulary.count(SENTENCES, min_count=2)) == 4 + 2
    assert len(Vocabulary.count(SENTENCES, max_size=5)) == 5
    assert "dog" not in Vocabulary.count(SENTENCES, max_size=5)


def test_counts_and_sentences_give_the_same_vocabulary():
    counts = Counter(token for sentence in SENTENCES for token in sentence)
    assert Vocabulary.count(counts).state() == Vocabulary.count(SENTENCES).state()


def test_unlisted_tokens_become_unk():
    vocabulary = Vocabulary.count(SENTENCES, min_count=2)
    assert vocabulary.ids(["a", "zebra"]) == [4, vocabulary.unk]


def test_special_ids_are_four_different_properties():
    vocabulary = Vocabulary.count(SENTENCES)
    assert (vocabulary.pad, vocabulary.unk, vocabulary.bos, vocabulary.eos) == (0, 1, 2, 3)


def test_words_spelt_like_special_symbols_are_ordinary_words():
    words = ["<eos>", "<pad>", "<bos>", "<unk>"]
    vocabulary = Vocabulary.count([words])
    ids = vocabulary.ids(words)
    assert min(ids) > 3
    assert vocabulary.tokens(ids) == words
    assert Vocabulary.count([["dog"]]).ids(words) == [vocabulary.unk] * 4


def test_saving_keeps_every_token(tmp_path):
    vocabulary = Vocabulary.count([[" ", "\u00a0", "\n", "\u2028", '"', "größe", "<eos>"]])
    vocabulary.save(tmp_path / "vocabulary.json")
    assert Vocabulary.load(tmp_path / "vocabulary.json").state() == vocabulary.state()


def test_special_ids_elsewhere_survive_saving(tmp_path):
    vocabulary = Vocabulary(["<unk>", "<pad>", "<eos>", "<bos>", "dog"], pad=1, unk=0, bos=3, eos=2)
    vocabulary.save(tmp_path / "vocabulary.json")
    loaded = Vocabulary.load(tmp_path / "vocabulary.json")
    assert (loaded.pad, loaded.unk, loaded.bos, loaded.eos) == (1, 0, 3, 2)
