"""A message in the three languages: as text, as words, and the word alignment of two languages."""

from seq2scene.data.park.language import english, french, german
from seq2scene.data.park.language.meaning import Message
from seq2scene.data.park.language.words import Word, text_of

LANGUAGES = {"en": english.sentence, "de": german.sentence, "fr": french.sentence}


def words_of(message: Message, language: str) -> list[Word]:
    """The words of a message with their meanings; punctuation and elided articles are separate words."""
    return LANGUAGES[language](message)


def text(message: Message, language: str) -> str:
    """The message as text: ``L'ours regarde le chien.``"""
    return text_of(words_of(message, language))


def links(message: Message, source: str, target: str) -> list[tuple[int, int]]:
    """The word alignment by meaning, as (source position, target position).

    Commas, and words that only one of the languages needs, are unaligned.
    """
    targets = list(enumerate(words_of(message, target)))
    return [
        (i, j)
        for i, word in enumerate(words_of(message, source))
        for j, other in targets
        if word.marks & other.marks
    ]
