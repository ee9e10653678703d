"""The words of captions as the COCO evaluation counts them: lower case, split, punctuation taken out."""

from functools import cache, lru_cache

from seq2scene.sequences.tokenizers import Treebank

PUNCTUATION = frozenset(["''", "``", "--", "...", *"'`\"()[]{}.?!,:-;"])


@cache
def _treebank() -> Treebank:  # made when first needed: importing NLTK takes a second
    return Treebank(lowercase=True)


@lru_cache(maxsize=2**18)  # references come back with every validation
def caption_words(text: str) -> tuple[str, ...]:
    """Penn Treebank tokens ("don't" is "do" and "n't") without punctuation; a full stop anywhere is one."""
    tokens = (token if token == "..." else token.rstrip(".") or "." for token in _treebank().split(text))
    return tuple(token for token in tokens if token not in PUNCTUATION)
