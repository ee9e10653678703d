"""Words annotated with meaning, from which word alignments between languages follow."""

from collections.abc import Iterable
from typing import NamedTuple


class Word(NamedTuple):
    """A written word and the parts of the meaning that it carries; words that share a part are aligned."""

    text: str
    marks: frozenset[str] = frozenset()


def words(text: str, *marks: str) -> list[Word]:
    """The words of a text, all with the same marks."""
    return [Word(word, frozenset(marks)) for word in text.split()]


COMMA = [Word(",")]
STOP = [Word(".", frozenset({"stop"}))]


def merge(first: Word, second: Word, text: str) -> Word:
    """Two words contracted into one, with the marks of both."""
    return Word(text, first.marks | second.marks)


def tidy(sentence: Iterable[Word]) -> list[Word]:
    """Drops a comma before another punctuation mark and capitalises the first word."""
    kept: list[Word] = []
    for word in sentence:
        if kept and kept[-1].text == "," and word.text in (",", "."):
            kept.pop()
        kept.append(word)
    first = kept[0]
    return [first._replace(text=first.text[0].upper() + first.text[1:]), *kept[1:]]


def text_of(sentence: list[Word]) -> str:
    """The sentence as text: no space before punctuation and genitives, or after an elision."""
    text = " ".join(word.text for word in sentence)
    return text.replace(" ,", ",").replace(" .", ".").replace(" 's", "'s").replace("' ", "'")
