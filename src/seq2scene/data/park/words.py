"""Words with what they mean, so that a sentence in two languages also gives the alignment between them."""

from collections.abc import Iterable
from typing import NamedTuple


class Word(NamedTuple):
    """A written word and the parts of the meaning it carries; words align where these meet."""

    text: str
    marks: frozenset[str] = frozenset()


def words(text: str, *marks: str) -> list[Word]:
    """Each word of a text, all carrying the same marks."""
    return [Word(word, frozenset(marks)) for word in text.split()]


COMMA = [Word(",")]
STOP = [Word(".", frozenset({"stop"}))]


def merge(first: Word, second: Word, text: str) -> Word:
    """Two words contracted into one carry what both carried."""
    return Word(text, first.marks | second.marks)


def tidy(sentence: Iterable[Word]) -> list[Word]:
    """Drop a comma that meets another mark or opens the sentence, and capitalise the first word."""
    kept: list[Word] = []
    for word in sentence:
        if kept and kept[-1].text == "," and word.text in (",", "."):
            kept.pop()
        kept.append(word)
    first = kept[0]
    return [first._replace(text=first.text[0].upper() + first.text[1:]), *kept[1:]]


def text_of(sentence: list[Word]) -> str:
    """The sentence as people write it: no space before punctuation and genitives, none after an elision."""
    text = " ".join(word.text for word in sentence)
    return text.replace(" ,", ",").replace(" .", ".").replace(" 's", "'s").replace("' ", "'")
