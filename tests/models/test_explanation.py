"""What a translator says about its own work is what it did."""

import pytest
import torch

from seq2scene.models.changed_attention import Change
from seq2scene.models.explanation import beam_like, explain, source_words
from seq2scene.models.translator import Translator
from seq2scene.nets.text.decoders import LuongDecoder
from seq2scene.search.beam import Beam
from seq2scene.search.stepwise import Greedy
from small_translators import ATTENTIONS, translator

TEXT = "a c zebra b"
UNKNOWN = 1


def writer(attention: str = "general", favoured: int | None = None) -> Translator:
    """A translator that writes the word ``favoured`` often."""
    net = translator(LuongDecoder, attention)
    if favoured is not None:
        with torch.no_grad():
            net.decoder.output.bias[favoured] += 3
    return net


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_translations_are_those_of_the_search_with_its_probabilities(attention):
    net, search = writer(attention), Beam(size=4, n_best=4, normalisation="average")
    found, told = net.hypotheses([TEXT], search=search)[0], explain(net, TEXT, search)
    assert len(told.translations) == len(found)
    for one, hypothesis in zip(told.translations, found, strict=True):
        ids = [step.word.id for step in one.steps]
        assert net.target.vocabulary.tokens(ids[:-1]) == list(hypothesis.words)
        assert ids[-1] == net.target.vocabulary.eos
        total = sum(torch.tensor(step.word.probability).log() for step in one.steps)
        assert float(total) == pytest.approx(hypothesis.log_prob, abs=1e-4)
        assert one.log_prob == pytest.approx(hypothesis.log_prob)
        for step in one.steps:
            assert (step.attention is None) == (attention == "none")
            shares = [candidate.probability for candidate in step.alternatives]
            assert shares == sorted(shares, reverse=True) and sum(shares) <= 1 + 1e-6
            assert not {0, 2} & {candidate.id for candidate in step.alternatives}  # padding, BOS


def test_an_unknown_word_is_marked_and_copied_where_the_model_looked():
    net = writer(favoured=UNKNOWN)
    told = explain(net, TEXT, beam_like(Greedy(max_ratio=0, max_extra=3), 2))
    assert [word.known for word in told.source] == [True, True, False, True]
    best = told.translations[0]
    for step in best.steps[:-1]:
        if step.word.id == UNKNOWN:
            assert step.word.text is None
            assert step.copied == TEXT.split()[max(range(4), key=step.attention.__getitem__)]
        else:
            assert step.copied is None
    assert any(step.copied for step in best.steps)
    assert "<unk>" not in best.text


def test_without_attention_an_unknown_word_stays():
    told = explain(writer("none", UNKNOWN), TEXT, beam_like(Greedy(max_ratio=0, max_extra=3), 2))
    assert "<unk>" in told.translations[0].text
    assert all(step.copied is None for step in told.translations[0].steps)


def test_a_forced_word_is_written_and_the_rest_follows_from_it():
    net = writer()
    search = beam_like(Greedy(), 3)
    first = explain(net, TEXT, search).translations[0].steps[0]
    other = next(
        one for one in first.alternatives if one.id not in (first.word.id, net.target.vocabulary.eos)
    )
    told = explain(net, TEXT, search, prefix=[other.id])
    assert all(one.steps[0].word.id == other.id for one in told.translations)
    assert told.translations[0].steps[0].word.probability == pytest.approx(other.probability)


def test_changed_attention_changes_the_distribution_of_its_step_and_none_before():
    net, search = writer(favoured=5), beam_like(Greedy(max_ratio=0, max_extra=3), 3)
    own = explain(net, TEXT, search).translations[0].steps
    prefix = [step.word.id for step in own[:2]]
    changed = explain(net.with_attention({2: Change(masked=[0])}), TEXT, search, prefix).translations[0].steps
    assert changed[:2] == own[:2]
    assert changed[2].attention[0] == 0 < own[2].attention[0]
    assert changed[2].alternatives != own[2].alternatives


@pytest.mark.parametrize("text", ["", "   "])
def test_nothing_is_translated_as_nothing(text):
    told = explain(writer(), text, beam_like(Greedy(), 3))
    assert told.source == () and told.beam == ()
    assert [one.text for one in told.translations] == [""]


def test_the_end_of_the_sentence_is_a_position_where_the_encoder_reads_it():
    net = writer()
    net.source_eos = True
    assert [word.text for word in source_words(net, "a b")] == ["a", "b", None]
    assert len(explain(net, "a b", beam_like(Greedy(), 2)).translations[0].steps[0].attention) == 3
