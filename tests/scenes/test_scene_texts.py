"""Sentences of scenes as words: after Tan et al. (2019), where prepositions may go and EOS stands once."""

import numpy as np
import pytest
import torch

from seq2scene.data.stop_words import english_stop_words, stop_words
from seq2scene.data.text.word_vectors import read_word_vectors
from seq2scene.errors import UserError
from seq2scene.scenes.scene_texts import SceneTexts, denials, split_sentences
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import Words, restore
from seq2scene.sequences.vocabulary import Vocabulary

KNOWN = Vocabulary.count([["mike", "jenny", "holds", "the", "ball", "nt", "dog", "under", "tree"]])


def reader(max_words: int | None = None, left_out: str = "keep") -> SceneTexts:
    return SceneTexts(Language(Words(stop_words(left_out)), KNOWN), 3, max_words)


def words(texts: SceneTexts, scene: list[str]) -> list[list[str]]:
    return [KNOWN.tokens(row) for row in texts.rows(scene)]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Jenny doesn't like Mike's 2 hats!", "jenny does nt like mike s hats"),
        ("Jenny doesn\u2019t.", "jenny does nt"),
        ('"Hey," said Mike...', "hey said mike"),
        ("a well-known T-Rex", "a wellknown trex"),
        ("The soccer ball's there.", "the soccer ball s there"),
        ("", ""),
        (" .!? 12 ", ""),
    ],
)
def test_words_are_lower_case_letters_split_as_the_treebank_does(sentence: str, expected: str) -> None:
    assert Words().split(sentence) == expected.split()


def test_stop_words_are_the_179_of_nltk_and_take_the_prepositions_away() -> None:
    listed = english_stop_words()
    assert len(listed) == len(set(listed)) == 179
    told = "He is standing under the tree next to her, behind the swing."
    assert Words(listed).split(told) == ["standing", "tree", "next", "behind", "swing"]


def test_only_the_last_sentence_that_says_something_ends_in_eos() -> None:
    scene = ["Mike holds the ball.", "Jenny", ""]
    assert words(reader(), scene) == [["mike", "holds", "the", "ball"], ["jenny", "<eos>"], []]
    assert words(reader(), scene[:1]) == [["mike", "holds", "the", "ball", "<eos>"], [], []]


def test_unknown_words_are_left_out_and_told() -> None:
    texts = reader()
    assert words(texts, ["Mike holds a ZEBRA"]) == [["mike", "holds", "<eos>"], [], []]
    assert texts.unknown("Mike holds a ZEBRA") == ["a", "zebra"]
    assert reader(left_out="remove").unknown("Mike holds a ZEBRA") == ["zebra"]


def test_a_sentence_of_200_words_is_cut_after_max_words_and_kept_without() -> None:
    long = "dog " * 200
    assert [len(row) for row in reader(5).rows([long, "Mike"])] == [5, 2, 0]
    assert len(reader().rows([long])[0]) == 201
    assert reader(5).is_cut(long) and not reader(5).is_cut("dog " * 5) and not reader().is_cut(long)


def test_what_is_cut_counts_known_words_alone() -> None:
    assert words(reader(2), ["zebra zebra Mike holds ball"])[0] == ["mike", "holds", "<eos>"]


def test_a_batch_is_its_scenes_alone() -> None:
    texts, scenes = reader(), [["Mike holds the ball", "dog"], ["Jenny"], ["zebra", ""]]
    batch = texts.batch(scenes)
    assert batch.ids.shape == (9, 4) and batch.lengths.tolist() == [4, 2, 0, 2, 0, 0, 0, 0, 0]
    for number, scene in enumerate(scenes):
        alone = texts.batch([scene])
        rows = slice(3 * number, 3 * number + 3)
        assert torch.equal(batch.ids[rows, : alone.ids.shape[1]], alone.ids)
        assert torch.equal(batch.lengths[rows], alone.lengths)
    assert (batch.ids[~batch.mask] == KNOWN.pad).all()


def test_more_sentences_than_the_model_reads_are_refused() -> None:
    with pytest.raises(UserError, match="at most 3 sentences per scene, but there are 4"):
        reader().batch([["Mike"] * 4])


def test_a_text_is_cut_into_sentences() -> None:
    assert split_sentences(" Mike runs. Is Jenny sad?  Yes!\nA dog ") == [
        "Mike runs.",
        "Is Jenny sad?",
        "Yes!",
        "A dog",
    ]
    assert split_sentences("  ") == []


def test_a_checkpoint_reads_as_the_data_did() -> None:
    texts = reader(3, "remove")
    again = SceneTexts.from_state(texts.state())
    scene = ["Mike is under the tree.", "Jenny holds the ball by the dog"]
    assert again.rows(scene) == texts.rows(scene) and restore(Words(["a"]).state()).split("a b") == ["b"]


# Word vectors


def test_word_vectors_are_those_of_the_file_and_zero_for_the_rest(tmp_path) -> None:
    vectors = np.arange(9, dtype=np.float16).reshape(3, 3)
    np.savez(tmp_path / "v.npz", words=np.array(["ball", "zebra", "the"]), vectors=vectors)
    lines = [("ball", 0, 1, 2), ("the", 6, 7, 8), ("the name@domain.com", 9, 9, 9), (". . .", 1, 1, 1)]
    (tmp_path / "v.txt").write_text("".join(" ".join(map(str, line)) + "\n" for line in lines))
    for name in ("v.npz", "v.txt"):
        found, count = read_word_vectors(tmp_path / name, KNOWN)
        assert found.shape == (len(KNOWN), 3) and found.dtype == torch.float32 and count == 2
        ball, the = KNOWN.ids(["ball", "the"])
        assert found[ball].tolist() == [0, 1, 2] and found[the].tolist() == [6, 7, 8]
        assert found.abs().sum() == found[[ball, the]].abs().sum()


def test_vectors_of_another_size_than_the_first_are_none(tmp_path) -> None:
    """As after a first line that was cut."""
    (tmp_path / "v.txt").write_text("the 0.1\nball 1 2 3\nmike 4 5 6\n")
    found, count = read_word_vectors(tmp_path / "v.txt", KNOWN)
    assert count == 1 and found.shape == (len(KNOWN), 1)


def test_faults_of_word_vectors_are_refused(tmp_path) -> None:
    with pytest.raises(UserError, match=r"none\.txt: there is no such file; data\.word_vectors=null learns"):
        read_word_vectors(tmp_path / "none.txt", KNOWN)
    (tmp_path / "v.txt").write_text("zebra 1 2\nmike 1 x\n")
    with pytest.raises(UserError, match=r"v\.txt, line 2: no word and its numbers"):
        read_word_vectors(tmp_path / "v.txt", KNOWN)
    (tmp_path / "v.txt").write_text("zebra 1 2\n")
    with pytest.raises(UserError, match="none of the 9 words of this data has a vector there"):
        read_word_vectors(tmp_path / "v.txt", KNOWN)
    for value in ("nan", "inf", "1e39"):  # which float32 cannot hold
        (tmp_path / "v.txt").write_text(f"zebra {value} 2\nmike {value} 2\n")
        with pytest.raises(UserError, match=r"v\.txt, line 2: the vector of 'mike' is not finite"):
            read_word_vectors(tmp_path / "v.txt", KNOWN)
        vectors = np.array([[1.0, float(value)], [1.0, float(value)]])
        np.savez(tmp_path / "v.npz", words=np.array(["zebra", "mike"]), vectors=vectors)
        with pytest.raises(UserError, match=r"v\.npz: the vector of 'mike' \(row 1\) is not finite"):
            read_word_vectors(tmp_path / "v.npz", KNOWN)
    np.savez(tmp_path / "v.npz", names=np.array(["a"]))
    with pytest.raises(UserError, match=r"an npz must hold words and vectors, not \['names'\]"):
        read_word_vectors(tmp_path / "v.npz", KNOWN)


def test_glove_knows_the_words_of_captions(shared_data) -> None:
    found, count = read_word_vectors(shared_data / "glove/glove6b50d_caption_vocab.npz", KNOWN)
    assert found.shape == (len(KNOWN), 50) and found[KNOWN.ids(["ball"])].abs().sum() > 0
    assert count == 7  # neither jenny nor nt


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"words": np.array([1, 2]), "vectors": np.ones((2, 3))}, r"words must be texts \(V,\), not int64"),
        ({"words": np.array(["ball"]), "vectors": np.ones((2, 3))}, r"vectors must be numbers \(1, E\)"),
        ({"words": np.array(["ball"]), "vectors": np.array([["a"]])}, r"vectors must be numbers \(1, E\)"),
        ({"words": np.array(["ball"]), "vectors": np.array([None])}, "is damaged .*allow_pickle"),
        (None, "is damaged"),
    ],
)
def test_damaged_arrays_of_word_vectors_are_refused(tmp_path, arrays, said) -> None:
    path = tmp_path / "v.npz"
    path.write_bytes(b"PK\x03\x04") if arrays is None else np.savez(path, **arrays)
    with pytest.raises(UserError, match=rf"v\.npz.*{said}"):
        read_word_vectors(path, KNOWN)


def test_denials_are_told_unless_the_texts_of_the_park_teach_them() -> None:
    assert denials("Mike is not sad. Jenny isn't happy. The knot is not far from another note.") == []
    assert denials("Mike isn\u2019t sitting. There is NO dog, and Jenny does not run. No, no bear!") == [
        "isn\u2019t",
        "no",
        "not",
    ]
