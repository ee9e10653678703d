"""The words of a scene: each sentence is read on its own, all of them are remembered in order."""

import pytest
import torch
from torch import Tensor

from seq2scene.nets.scene.text_encoder import SceneTextEncoder
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.padding import pad

WORDS, PAD = 12, 0
TOLD = [  # scenes of up to three sentences
    [[3, 4, 5], [6, 7], [8, 9, 10, 11]],
    [[5, 4], [], [3]],
    [[], [], [9, 9, 4]],
    [[7], [], []],
]


def encoder(**settings) -> SceneTextEncoder:
    torch.manual_seed(0)
    sizes = {"embedding_size": 4, "hidden_size": 3}
    return SceneTextEncoder(WORDS, PAD, 3, **{**sizes, **settings}).double().eval()


def batch(scenes: list[list[list[int]]], width: int = 0) -> Sentences:
    """Scenes of three sentences each, padded to ``width`` at least."""
    rows = [torch.tensor(row, dtype=torch.int64) for scene in scenes for row in scene]
    ids, lengths = pad(rows, PAD)
    return Sentences.of(torch.nn.functional.pad(ids, (0, max(width - ids.shape[1], 0)), value=PAD), lengths)


def vectors(net: SceneTextEncoder, words: Tensor) -> Tensor:
    """The part of what is kept of a word that is its vector."""
    return words[..., net.state_size :]


def test_words_of_all_sentences_stand_in_the_order_they_are_told_padding_last() -> None:
    net = encoder()
    words, mask, _ = net(batch(TOLD))
    told = [[word for sentence in scene for word in sentence] for scene in TOLD]
    assert mask.sum(1).tolist() == [len(scene) for scene in told] == [9, 3, 3, 1]
    assert mask.shape[1] == 9 and (mask.int().diff(dim=1) <= 0).all()
    for row, scene in enumerate(told):
        torch.testing.assert_close(
            vectors(net, words)[row, : len(scene)], net.words.embedding(torch.tensor(scene))
        )
    assert not words[~mask].any()


def test_a_sentence_does_not_know_the_ones_before_it() -> None:
    """Unlike one long text: the states of a sentence are those it has when it is told alone."""
    net = encoder()
    words, *_ = net(batch(TOLD[:1]))
    start = 0
    for sentence in TOLD[0]:
        alone, mask, _ = net(batch([[sentence, [], []]]))
        torch.testing.assert_close(words[:, start : start + len(sentence)], alone[mask].unsqueeze(0))
        start += len(sentence)


@pytest.mark.parametrize("settings", [{}, {"cell": "lstm", "layers": 2}, {"bidirectional": False}])
def test_the_text_as_a_whole_is_the_mean_over_the_sentences_that_say_something(settings) -> None:
    net = encoder(**settings)
    last = net(batch(TOLD))[2]
    for scene, found in zip(TOLD, last, strict=True):
        said = [net(batch([[sentence, [], []]]))[2][0] for sentence in scene if sentence]
        torch.testing.assert_close(found, torch.stack(said).mean(0))
    assert last.shape == (len(TOLD), net.state_size)


def test_where_an_empty_sentence_stands_does_not_matter() -> None:
    net = encoder()
    for ours, theirs in zip(net(batch([[[5, 4], [], [3]]])), net(batch([[[], [5, 4], [3]]])), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_text_without_words_is_zeros_of_one_column_and_has_no_mask() -> None:
    words, mask, last = encoder()(batch([[[], [], []]], width=1))
    assert words.shape[:2] == (1, 1) and not words.any() and not mask.any() and not last.any()


def test_a_batch_is_its_scenes_alone_however_wide_it_is() -> None:
    net = encoder()
    words, mask, last = net(batch(TOLD, width=9))
    for row, scene in enumerate(TOLD):
        alone, real, state = net(batch([scene]))
        torch.testing.assert_close(words[row, mask[row]], alone[0, real[0]])
        torch.testing.assert_close(last[row], state[0])


def test_words_move_with_their_sentence() -> None:
    """Told in another order a scene has the same words with the same states, and the same mean."""
    net = encoder()
    first, second, third = TOLD[0]
    words, _, last = net(batch([[first, second, third]]))
    moved, _, same = net(batch([[third, first, second]]))
    torch.testing.assert_close(torch.cat([words[:, 5:], words[:, :5]], dim=1), moved)
    torch.testing.assert_close(last, same)


def given_vectors() -> Tensor:
    return torch.rand(WORDS, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("frozen", [True, False])
def test_given_word_vectors_are_where_it_starts_and_frozen_ones_where_it_stays(frozen: bool) -> None:
    net = encoder(word_vectors=given_vectors(), frozen=frozen)
    assert torch.equal(net.words.embedding.weight.float(), given_vectors())
    assert net.output_size == 2 * 3 + 6  # the vectors' own size, whatever embedding_size says
    words, _, last = net(batch(TOLD))
    (words.sum() + last.sum()).backward()
    gradient = net.words.embedding.weight.grad
    assert (gradient is None) if frozen else gradient[3:].any(dim=1).all() and not gradient[PAD].any()
    assert all(p.grad is not None and p.grad.any() for p in net.words.rnn.parameters())


def test_without_vectors_the_embedding_starts_within_its_range_and_padding_at_zero() -> None:
    weight = encoder(embedding_range=0.1).words.embedding.weight
    assert 0.05 < weight.abs().max() <= 0.1 and not weight[PAD].any()
    assert encoder().words.embedding.weight.abs().max() > 1  # N(0, 1)


def test_its_derivatives_are_those_of_finite_differences() -> None:
    net, texts = encoder(hidden_size=2, embedding_size=2), batch(TOLD[1:3])

    def read(table: Tensor) -> tuple[Tensor, Tensor]:
        words, _, last = torch.func.functional_call(net, {"words.embedding.weight": table}, (texts,))
        return words, last

    table = net.words.embedding.weight.detach().clone()
    table[PAD] = 0
    real = torch.arange(WORDS) > PAD  # padding has no derivative by design
    assert torch.autograd.gradcheck(
        lambda rows: read(torch.cat([table[:1], rows])), table[real].clone().requires_grad_()
    )
