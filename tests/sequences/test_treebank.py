"""The tokens of the Penn Treebank, as NLTK has them."""

import random

from nltk.tokenize.treebank import TreebankWordTokenizer

from seq2scene.sequences.treebank import treebank_tokens

SENTENCES = [
    "",
    " ",
    "Mike can't kick the ball, Jenny's dog doesn't care; they'll go (or not).",
    "\"It's gonna rain,\" she said... 'twas: cannot, d'ye, gimme 3,36 at 10:30!",
    "He said ''yes'' -- and \"no\". [More'n {one} <word>?] $5 & 7% 'tis wanna go",
]
WORDS = "can not cannot wanna gonna gotta lemme gimme d'ye more'n 'tis 'twas they'll n't 's"
PIECES = [*WORDS.split(), "''", *"\"`()[]{}<>,.:;?!'-$%&@#é1 \n", "--", "...", "``", "dog", "Mike", " ", " "]


def test_tokens_are_those_of_nltk() -> None:
    draw, theirs = random.Random(0), TreebankWordTokenizer()
    made = ["".join(draw.choices(PIECES, k=draw.randint(1, 14))) for _ in range(5000)]
    for sentence in SENTENCES + made:
        assert treebank_tokens(sentence) == theirs.tokenize(sentence), repr(sentence)
