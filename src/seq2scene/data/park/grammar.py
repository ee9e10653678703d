"""The three languages side by side: a message as text, as words, and the alignment of the words of two."""

from seq2scene.data.park import english, french, german
from seq2scene.data.park.meaning import Message
from seq2scene.data.park.words import Word, text_of

LANGUAGES = {"en": english.sentence, "de": german.sentence, "fr": french.sentence}


def words_of(message: Message, language: str) -> list[Word]:
    """The words of a message, punctuation and elided articles apart, each with what it means."""
    return LANGUAGES[language](message)


def text(message: Message, language: str) -> str:
    """The message as written text: ``L'ours regarde le chien.``"""
    return text_of(words_of(message, language))


def links(message: Message, source: str, target: str) -> list[tuple[int, int]]:
    """The word alignment by meaning, as (source position, target position).

    Words that only one of the languages has, and commas, stay unaligned.
    """
    targets = list(enumerate(words_of(message, target)))
    return [
        (i, j)
        for i, word in enumerate(words_of(message, source))
        for j, other in targets
        if word.marks & other.marks
    ]
