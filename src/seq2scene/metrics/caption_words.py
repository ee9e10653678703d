"""The words of captions as in the COCO evaluation: lower-cased, tokenised, without punctuation."""

from functools import cache, lru_cache

from seq2scene.sequences.tokenizers import Treebank

PUNCTUATION = frozenset(["''", "``", "--", "...", *"'`\"()[]{}.?!,:-;"])


@cache
def _treebank() -> Treebank:  # created lazily: importing NLTK takes a second
    return Treebank(lowercase=True)


@lru_cache(maxsize=2**18)  # references recur in every validation
def caption_words(text: str) -> tuple[str, ...]:
    """Penn Treebank tokens ("don't" is "do" and "n't") without punctuation; a full stop is split off
    anywhere.
    """
    tokens = (token if token == "..." else token.rstrip(".") or "." for token in _treebank().split(text))
    return tuple(token for token in tokens if token not in PUNCTUATION)
