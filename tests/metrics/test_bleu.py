import copy
import gzip
import math
import random

import pytest
import sacrebleu

from seq2scene.metrics.bleu import CorpusBleu, bleu_options, bleu_tokenizer

REFERENCES = [
    "Ein Hund läuft über die Wiese.",
    "Zwei Kinder spielen, lachen und werfen einen Ball.",
    "Die Frau trägt einen roten Hut.",
    "",
    "Ein Mann sitzt auf einer Bank und liest die Zeitung von gestern.",
]
HYPOTHESES = [
    "Ein Hund läuft auf der Wiese.",
    "Zwei Kinder spielen und werfen einen Ball.",
    "",
    "Nichts.",
    "ein Mann sitzt auf einer Bank und liest die Zeitung.",
]


def fed(batches: list[slice], **options) -> CorpusBleu:
    bleu = CorpusBleu(**options)
    for batch in batches:
        bleu.update(HYPOTHESES[batch], REFERENCES[batch])
    return bleu


@pytest.mark.parametrize("tokenize", ["13a", "none", "intl", "char"])
@pytest.mark.parametrize("lowercase", [False, True])
def test_the_score_is_sacrebleus(tokenize, lowercase):
    ours = fed([slice(0, 2), slice(2, 5)], tokenize=tokenize, lowercase=lowercase).compute()
    theirs = sacrebleu.corpus_bleu(
        HYPOTHESES, [REFERENCES], tokenize=tokenize, lowercase=lowercase, force=True
    )
    assert 0 < theirs.score < 100
    assert ours.item() == pytest.approx(theirs.score, abs=1e-9)


def test_shards_summed_are_the_whole():
    whole = fed([slice(0, 5)])
    shards = [fed([slice(start, start + 1)]) for start in range(5)]
    summed = CorpusBleu()
    for name in ("counts", "totals", "lengths"):
        setattr(summed, name, sum(getattr(shard, name) for shard in shards))
    summed._update_count = 1
    assert summed.compute() == whole.compute()


def test_a_real_corpus_in_shuffled_batches_scores_as_the_whole(shared_data):
    with gzip.open(
        shared_data / "multi30k/tok/test_2016_flickr.lc.norm.tok.de.gz", "rt", encoding="utf-8"
    ) as file:
        references = file.read().splitlines()
    words = random.Random(1)
    hypotheses = [" ".join(w for w in line.split() if words.random() < 0.9) for line in references]
    order = words.sample(range(len(references)), len(references))
    bleu = CorpusBleu(tokenize="none")
    for start in range(0, len(order), 64):
        rows = order[start : start + 64]
        bleu.update([hypotheses[row] for row in rows], [references[row] for row in rows])
    theirs = sacrebleu.corpus_bleu(hypotheses, [references], tokenize="none", force=True).score
    assert bleu.compute().item() == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(
    ("language", "tokenize"),
    [
        *(("zh", "zh"), ("zh-TW", "zh"), ("ZH_Hans", "zh"), ("ja", "char"), ("th", "char"), ("km", "char")),
        *(("lo", "char"), ("my", "char"), ("ko", "13a"), ("de", "13a"), ("zha", "13a"), ("", "13a")),
    ],
)
def test_a_language_without_spaces_is_divided_into_characters(language, tokenize):
    assert bleu_tokenizer(language) == tokenize
    bleu = CorpusBleu(bleu_tokenizer(language), lowercase=True)
    assert bleu_options(bleu.signature()) == {"tokenize": tokenize, "lowercase": True}
    divided = {"zh": "公 园 abc .", "char": "公 园 a b c .", "13a": "公园abc ."}
    assert bleu.words("公园abc.") == divided[tokenize]


def test_orders_without_a_match_are_smoothed_as_sacrebleu_does():
    bleu = CorpusBleu(tokenize="none")
    bleu.update(["a b x d"], ["a b c d"])
    assert bleu.compute().item() == pytest.approx(sacrebleu.corpus_bleu(["a b x d"], [["a b c d"]]).score)
    assert bleu.compute() > 0


def test_nothing_right_scores_zero_and_an_empty_batch_changes_nothing():
    bleu = CorpusBleu()
    bleu.update(["a b c"], ["x y z"])
    bleu.update([], [])
    assert bleu.compute() == 0
    assert bleu.lengths.tolist() == [3, 3]


def test_no_word_on_either_side_is_no_number():
    bleu = CorpusBleu()
    bleu.update([], [])
    assert math.isnan(bleu.compute())
    bleu.update([""], ["x"])
    assert bleu.compute() == 0


def test_the_signature_is_sacrebleus_and_leaves_the_counts_alone():
    bleu = fed([slice(0, 5)], tokenize="none", lowercase=True)
    before = bleu.compute()
    assert bleu.signature() == f"nrefs:1|case:lc|eff:no|tok:none|smooth:exp|version:{sacrebleu.__version__}"
    bleu._computed = None
    assert bleu.compute() == before


def test_reset_forgets_and_copies_are_apart():
    bleu = fed([slice(0, 5)])
    other = copy.deepcopy(bleu)
    bleu.reset()
    assert bleu.counts.sum() == 0
    assert other.counts.sum() > 0
