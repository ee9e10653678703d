import pytest
from sacrebleu.metrics import CHRF

from seq2scene.metrics.chrf import CorpusChrf

REFERENCES = ["Ein Hund läuft über die Wiese.", "Zwei Kinder spielen.", "", "Die Frau trägt einen roten Hut."]
HYPOTHESES = ["Ein Hund läuft auf der Wiese.", "zwei Kinder lachen!", "Nichts.", ""]


@pytest.mark.parametrize("word_order", [0, 2])
@pytest.mark.parametrize("lowercase", [False, True])
def test_batches_give_sacrebleus_score_of_the_whole(word_order, lowercase):
    chrf = CorpusChrf(word_order=word_order, lowercase=lowercase)
    chrf.update(HYPOTHESES[:1], REFERENCES[:1])
    chrf.update([], [])
    chrf.update(HYPOTHESES[1:], REFERENCES[1:])
    library = CHRF(word_order=word_order, lowercase=lowercase)
    theirs = library.corpus_score(HYPOTHESES, [REFERENCES]).score
    assert 0 < theirs < 100
    assert chrf.compute().item() == pytest.approx(theirs, abs=1e-9)


def test_shards_summed_are_the_whole():
    whole, left, right = CorpusChrf(), CorpusChrf(), CorpusChrf()
    whole.update(HYPOTHESES, REFERENCES)
    left.update(HYPOTHESES[:2], REFERENCES[:2])
    right.update(HYPOTHESES[2:], REFERENCES[2:])
    assert (left.statistics + right.statistics).tolist() == whole.statistics.tolist()


def test_the_signature_says_which_chrf():
    assert "nw:2" in CorpusChrf(word_order=2).signature()
    assert "nw:0" in CorpusChrf().signature()
