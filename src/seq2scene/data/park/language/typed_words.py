"""The words in which people tell of the park: nouns, verbs, prepositions and what they mean.

They are those of ``english`` and ``rich_english``, and a few more. Tables are by phrase, a tuple of words.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

from seq2scene.data.park.language import english, rich_english
from seq2scene.data.park.language.lexicon import NOUNS

Words = tuple[str, ...]
MOST_WORDS = 36  # of a sentence
CONTRACTED = (
    ("[\u2019`]", "'"),
    (r"\b(is|are|does|do)n't\b", r"\1 not"),
    (r"\b(mike|jenny|he|she|it|there)'s\b", r"\1 is"),
    (r"\b(they|there)'re\b", r"\1 are"),
    (r"\bno one\b|\bnobody\b", "?"),
)
SIZES = {"big": "big", "large": "big", "huge": "big", "small": "small", "little": "small", "tiny": "small"}
Meaning = TypeVar("Meaning")
COLOURS = {noun.colour for noun in NOUNS.values() if noun.colour} | {"black", "brown"}
COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5}
ARTICLES = {"the": "definite", "a": "indefinite", "an": "indefinite", "some": "indefinite", "no": "no"}
BOTH = (
    *("mike and jenny", "jenny and mike", "they", "them", "the children", "the kids", "both children"),
    *("the boy and the girl", "the girl and the boy", "both of them", "the two kids", "the friends"),
)
PERSONS = {"mike": "hb0", "he": "hb0", "him": "hb0", "jenny": "hb1", "she": "hb1", "her": "hb1"}
NEARBY = ("near", "nearby", "close")  # "because the bear is near": near the one spoken of
EMPTY = (
    "now",
    "today",
    "this morning",
    "at the moment",
    "in the park",
    "in the picture",
    "outside",
    "together",
)
WEATHER = {"it is raining": "s_5", "it is rainy": "s_5", "it is sunny": "s_3", "it is a sunny day": "s_3"}
NO_WEATHER = {
    **{"it is not raining": "s_5", "it is not rainy": "s_5", "it is not sunny": "s_3"},
    **{"the sun is not shining": "s_3", "the sun does not shine": "s_3", "the sun is not out": "s_3"},
}


def words_of(sentence: str) -> Words:
    """Lower-case words and commas; () for a sentence with anything else."""
    text = sentence.lower().strip().rstrip(".!").rstrip()
    for pattern, way in CONTRACTED:
        text = re.sub(pattern, way, text)
    words = tuple(re.findall(r"[a-z][a-z'-]*|,|\S", text))
    return words if len(words) <= MOST_WORDS else ()


def phrases(table: Mapping[str, Meaning]) -> dict[Words, Meaning]:
    return {tuple(phrase.split()): value for phrase, value in table.items()}


def _plural(noun: str) -> str:
    return re.sub("(ch|x|sh)$", r"\1e", re.sub("(?<![aeiou])y$", "ie", noun)) + "s"


def _noun_table() -> dict[str, tuple[tuple[str, ...], bool]]:
    """Of each noun the classes that it may mean, and whether it is a plural that counts them."""
    found: dict[str, list[str]] = {}
    for name, noun in NOUNS.items():
        plain = noun.english.replace(" 's", "'s")
        for said in (plain, *rich_english.SYNONYMS.get(plain, ())):
            found.setdefault(said, []).append(name)
    one = {noun: (tuple(names), False) for noun, names in found.items()}
    many = {_plural(noun): (tuple(names), True) for noun, names in found.items() if not noun.endswith("s")}
    return {**many, **one}


def _verb_tables() -> tuple[dict[str, tuple[str, str | None]], ...]:
    """What follows a form of ``be``, and finite verbs, singular and plural: each as the verb of a clause and
    an adjective.
    """
    after_be: dict[str, tuple[str, str | None]] = {}
    finite: dict[str, tuple[str, str | None]] = {}
    base: dict[str, tuple[str, str | None]] = {}
    meanings: dict[str, tuple[str, str | None]] = {"surprised and is looking at": ("look", "surprised")}
    for key, verb in english.VERBS.items():
        if verb.form and key != "rain":  # "it is raining" is said in WEATHER
            said = " ".join(filter(None, (verb.form, verb.particle, verb.preposition)))
            meanings[said] = (key, None)
    meanings |= {mood: ("be", mood) for mood in ("angry", "happy", "sad", "surprised")}
    meanings |= {colour: ("be", colour) for colour in COLOURS}
    for said, meaning in meanings.items():
        if " is " not in said:
            after_be[said] = meaning
        for way in rich_english.VERBS.get(said, ()):
            one, many = way.split("|")
            if one.startswith("is not "):
                continue  # read as the denial that it is
            if one.startswith("is "):
                after_be[one.removeprefix("is ")] = meaning
                continue
            meant = ("have", None) if one in ("has", "has got") else meaning
            finite[one] = meant
            if many:
                finite[many] = base[many] = meant
    after_be |= {"waving": ("wave", None), "playing": ("be", None)}
    finite |= {"waves": ("wave", None), "wave": ("wave", None), "plays": ("be", None), "play": ("be", None)}
    return after_be, finite, base


def _preposition_table() -> dict[str, str]:
    found: dict[str, str] = {}
    for relation, said in english.PREPOSITIONS.items():
        key = "on the" if relation == "on" else said
        for way in (said, *rich_english.PHRASES.get(key, ())):
            found.setdefault(way.removesuffix(" the"), relation)
    return {**found, "inside": "in", "close to": "near", "by": "near", "far away from": "far_from"}


NOUN_TABLE = phrases(_noun_table())
AFTER_BE, FINITE, BASE = (phrases(table) for table in _verb_tables())
PREPOSITIONS = phrases(_preposition_table())
BE = {("is",), ("are",)}
DO_NOT = (("does", "not"), ("do", "not"))
TRANSITIVE = {
    *("have", "hold", "raise", "wear", "eat", "read", "kick", "wave", "look", "follow", "run_to", "flee"),
    *("fear", "play", "give"),
}
SUBJECTS = {  # of verbs: the kinds of things of which the scenes can show it; of other verbs, any
    **dict.fromkeys(("hold", "wear", "raise", "eat", "read", "kick", "give", "wave"), ("child",)),
    **dict.fromkeys(("run", "kneel", "cheer", "laugh", "smile", "run_to", "flee", "fear"), ("child",)),
    **dict.fromkeys(("look", "follow", "play"), ("child", "animal")),
    **dict.fromkeys(("fly", "float"), ("sky", "animal", "toy")),
    "lie": ("large", "animal", "clothing", "food", "toy"),
    "shine": ("sky",),
    "burn": ("large", "toy"),
}
BOTH_PHRASES, EMPTY_PHRASES = ({tuple(phrase.split()) for phrase in table} for table in (BOTH, EMPTY))
WEATHER_PHRASES, NO_WEATHER_PHRASES = phrases(WEATHER), phrases(NO_WEATHER)
