"""BPE-dropout (Provilkov et al., ACL 2020): training text segmented into other subwords in every epoch."""

import hashlib
from collections import Counter

import numpy as np

from seq2scene.errors import UserError
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.corpus import Corpus
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import SentencePiece, Tokenizer


def require_merges(dropout: float, tokenizer: str) -> None:
    """Raises UserError if a tokenizer of this name has no merges to drop."""
    if dropout and tokenizer != "bpe":
        raise UserError(f"data.bpe_dropout={dropout}: data.tokenizer={tokenizer} merges nothing; choose bpe")


def with_all_pieces(counts: Counter[str], tokenizer: Tokenizer, least: int) -> Counter[str]:
    """Counts of tokens in which every subword occurs at least ``least`` times, as any can occur once merges
    are dropped.
    """
    assert isinstance(tokenizer, SentencePiece)
    return counts | Counter(dict.fromkeys(tokenizer.pieces, least))


def segment(
    corpus: Corpus, language: Language, rows: np.ndarray, dropout: float, seed: int, eos: bool
) -> Sentences:
    """The lines ``rows`` (B,) of a corpus, each merge dropped with probability ``dropout``. They are drawn
    from the seed and the rows, of which no two batches have the same in the same order; so a run that is
    resumed sees what it would have seen.
    """
    assert isinstance(language.tokenizer, SentencePiece)
    facts = np.asarray([seed, *rows], dtype=np.int64).tobytes()
    drawn = int.from_bytes(hashlib.blake2b(facts, digest_size=4).digest())
    lines = [corpus.text.line(row) for row in rows]
    return language.batch_tokens(language.tokenizer.split_at_random(lines, dropout, drawn), eos)
