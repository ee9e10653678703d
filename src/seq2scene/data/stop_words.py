"""Stop words: closed-class words that the vocabularies of scenes leave out."""

from functools import cache
from importlib.resources import files
from typing import Literal


def stop_words(choice: Literal["keep", "remove"]) -> list[str]:
    """What ``data.stop_words`` leaves out: the English closed-class words of NLTK's list, or none."""
    return english_stop_words() if choice == "remove" else []


@cache
def english_stop_words() -> list[str]:
    return files("seq2scene.data").joinpath("stop_words.txt").read_text("utf-8").split()
