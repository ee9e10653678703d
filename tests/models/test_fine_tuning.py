"""A new model starts from the weights of another, or from word vectors, and only a part of it is trained."""

from pathlib import Path

import pytest
import torch
from torch import nn

from seq2scene.data.text.word_vectors import read_word_vectors
from seq2scene.errors import UserError
from seq2scene.models.fine_tuning import freeze, take_weights, take_word_vectors
from seq2scene.models.language_model import LanguageModel
from seq2scene.models.translator import Translator
from seq2scene.nets.scene.batch_norm import BatchNorm
from seq2scene.nets.text import language_model
from seq2scene.nets.text.decoders import LuongDecoder
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import Whitespace
from seq2scene.sequences.vocabulary import Vocabulary
from small_translators import translator


def model(words: str, hidden: int = 5, seed: int = 0, tied: bool = False) -> LanguageModel:
    torch.manual_seed(seed)
    language = Language(Whitespace(), Vocabulary.count([words.split()]))
    size = hidden if tied else 4
    net = language_model.LanguageModel(len(language.vocabulary), 0, size, hidden, tied=tied)
    return LanguageModel(net, language)


def test_weights_of_the_same_vocabulary_are_taken_as_they_are() -> None:
    new, old = translator(LuongDecoder, seed=1), translator(LuongDecoder)
    told = take_weights(new, old)
    torch.testing.assert_close(new.state_dict(), old.state_dict(), rtol=0, atol=0)
    assert told[0].startswith(f"{len(old.state_dict())} of {len(old.state_dict())} weights are taken")
    assert told[1:] == [f"{side} words: 6 of 6 are known there" for side in ("source", "target")]


@pytest.mark.parametrize("tied", [False, True])
def test_words_are_matched_by_spelling_and_new_ones_stay_as_initialised(tied: bool) -> None:
    new, old, before = (
        model(words, seed=seed, tied=tied) for words, seed in (("c e a", 1), ("a b c d", 0), ("c e a", 1))
    )
    told = take_weights(new, old)
    assert "language words: 2 of 3 are known there" in told
    here, there = (one.language.vocabulary for one in (new, old))
    for name in ("embedding.weight", "output.weight", "output.bias"):
        ours, theirs, initial = (one.decoder.state_dict()[name] for one in (new, old, before))
        for word in "ac":
            assert torch.equal(ours[here.ids([word])], theirs[there.ids([word])])
        assert torch.equal(ours[:4], theirs[:4])  # pad, unk, bos and eos
        assert torch.equal(ours[here.ids(["e"])], initial[here.ids(["e"])])
    assert torch.equal(new.decoder.rnn.weight_hh_l0, old.decoder.rnn.weight_hh_l0)


def test_weights_of_another_shape_are_named_and_counted() -> None:
    told = take_weights(model("a b", hidden=6), model("a b"))
    assert told[0] == "2 of 7 weights are taken, of 30 of 354 values"
    assert told[2].startswith("left as initialised (5): decoder.rnn.weight_ih_l0 24x4, there 20x4, ")
    mixed = take_weights(translator(LuongDecoder), model("a b c").double())
    (left,) = (line for line in mixed if line.startswith("left as initialised ("))
    assert "encoder.embedding.weight (only here), " in left
    with pytest.raises(UserError, match="none of its weights has a name and shape of this language model"):
        take_weights(model("a b"), _renamed(model("a b")))


def _renamed(net: LanguageModel) -> LanguageModel:
    """The same model, with other names for all its weights."""
    net.words, net.decoder = net.decoder, nn.Module()
    return net


def test_a_pattern_that_matches_nothing_is_answered_with_the_names() -> None:
    with pytest.raises(
        UserError, match=r"freeze: encodr\.\* matches none .*: encoder\.embedding\.weight, .*"
    ):
        freeze(translator(LuongDecoder), ["encoder.*", "encodr.*"])
    with pytest.raises(UserError, match=r"freeze=\[\*\]: nothing is left to train"):
        freeze(translator(LuongDecoder), ["*"])


def test_a_frozen_part_keeps_its_statistics_and_the_rest_its_dropout() -> None:
    class Net(Translator):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.fixed_statistics: list[nn.Module] = []
            self.encoder = nn.Sequential(BatchNorm(2), nn.Dropout(0.5))
            self.decoder = BatchNorm(2)

    net = Net().train()
    before = {name: value.clone() for name, value in net.encoder.state_dict().items()}
    assert freeze(net, ["encoder.*"]) == 4
    net.train(False).train()  # as after each validation
    net.decoder(net.encoder(torch.randn(3, 2, 4, 4)))
    assert all(torch.equal(value, before[name]) for name, value in net.encoder.state_dict().items())
    assert net.encoder[1].training and net.decoder.num_batches_tracked == 1


GLOVE = "b 1 2 3 4\nzebra 0 0 0 0\nc 5 6 7 8\n"


@pytest.mark.parametrize("header", ["", "3 4\n"])
def test_embeddings_start_from_the_vectors_of_glove_and_of_fasttext(tmp_path: Path, header: str) -> None:
    (tmp_path / "v").write_text(header + GLOVE.replace("\n", " \n" if header else "\n"))
    net, initial = model("a b c"), model("a b c")
    vectors, count = read_word_vectors(tmp_path / "v", net.language.vocabulary)
    take_word_vectors(net, "language", vectors, "data.word_vectors")
    ours, theirs = net.decoder.embedding.weight, initial.decoder.embedding.weight
    a, b, c = net.language.vocabulary.ids("abc")
    assert count == 2 and torch.equal(ours[a], theirs[a]) and torch.equal(ours[:4], theirs[:4])
    assert ours[b].tolist() == [1, 2, 3, 4] and ours[c].tolist() == [5, 6, 7, 8]
    wide = "its vectors have 4 numbers, but decoder.embedding has 6: set model.decoder.embedding_size=4"
    with pytest.raises(UserError, match=wide):
        take_word_vectors(model("a b c", 6, tied=True), "language", vectors, "data.word_vectors")
    (tmp_path / "v").write_text(header + GLOVE.replace("6", "nan"))
    with pytest.raises(UserError, match=f"line {3 + bool(header)}: the vector of 'c' is not finite"):
        read_word_vectors(tmp_path / "v", net.language.vocabulary)
