"""The English of the park: progressive verbs, fixed word order, ``a`` and ``an``."""

from typing import NamedTuple

from seq2scene.data.park.language.lexicon import ADJECTIVES, NAMES, NOUNS
from seq2scene.data.park.language.meaning import Clause, Mention, Message, Place
from seq2scene.data.park.language.words import COMMA, STOP, Word, tidy, words


class Verb(NamedTuple):
    """The words after ``is``, the preposition of the object, and a particle after the object."""

    form: str
    preposition: str = ""
    particle: str = ""


VERBS = {
    "hold": Verb("holding"),
    "raise": Verb("holding", particle="up"),
    "wear": Verb("wearing"),
    "eat": Verb("eating"),
    "read": Verb("reading"),
    "kick": Verb("kicking"),
    "wave": Verb("waving", "at"),
    "look": Verb("looking", "at"),
    "follow": Verb("following"),
    "run_to": Verb("running", "to"),
    "flee": Verb("running away", "from"),
    "fear": Verb("afraid", "of"),
    "play": Verb("playing", "with"),
    "give": Verb("giving"),
    "stand": Verb("standing"),
    "sit": Verb("sitting"),
    "kneel": Verb("kneeling"),
    "lie": Verb("lying"),
    "run": Verb("running"),
    "fly": Verb("flying"),
    "float": Verb("floating"),
    "shine": Verb("shining"),
    "burn": Verb("burning"),
    "laugh": Verb("laughing"),
    "smile": Verb("smiling"),
    "cheer": Verb("raising both arms"),
    "rain": Verb("raining"),
    "tower": Verb(""),
    "extend": Verb(""),
    "rest": Verb(""),
    "rest_up": Verb(""),
    "be": Verb(""),
}
PREPOSITIONS = {
    "next_to": "next to",
    "left_of": "to the left of",
    "right_of": "to the right of",
    "in_front_of": "in front of",
    "behind": "behind",
    "under": "under",
    "on": "on",
    "in": "in",
    "above": "above",
    "near": "near",
    "far_from": "far from",
}
FRONTS = {
    "now": "now",
    "today": "today",
    "morning": "this morning ,",
    "moment": "at the moment ,",
    "park": "in the park ,",
    "picture": "in the picture ,",
    "outside": "outside ,",
    "background": "in the background ,",
    "foreground": "in the foreground ,",
}
PRONOUNS = {"hb0": ("he", "him"), "hb1": ("she", "her"), "both": ("they", "them"), "it": ("it", "it")}
CONJUNCTIONS = {"and": ", and", "but": ", but", "because": "because", "while": "while", "that": "that"}


def sentence(message: Message) -> list[Word]:
    """The words of a message in English."""
    one, *others = message.clauses
    match message.frame:
        case "plain":
            body = clause(one, "0")
        case "there":
            body = _there(one)
        case "seen":
            body = words("you", "man") + words("can see", "see") + words("that", "that") + clause(one, "0")
        case "while_first":
            body = words("while", "while") + clause(one, "0") + COMMA + clause(others[0], "1")
        case "same":
            body = clause(one, "0") + words("and", "and") + clause(others[0], "1", subject=False)
        case frame:
            body = clause(one, "0") + words(CONJUNCTIONS[frame], frame) + clause(others[0], "1")
    return tidy(_with_an(body + STOP))


def clause(clause: Clause, at: str, subject: bool = True) -> list[Word]:
    """Subject, verb, objects, place; the subject is omitted if it is the same as in the previous clause."""
    front = _front(clause.front, at)
    opening = noun_phrase(clause.subject, f"{at}s") if subject else []
    return front + opening + _predicate(clause, at)


def _predicate(clause: Clause, at: str) -> list[Word]:
    verb_mark = f"{at}v"
    if clause.verb == "see":
        return words("can see", verb_mark)
    verb = VERBS[clause.verb]
    found = words("are" if _plural(clause.subject) else "is", verb_mark)
    found += words("not", f"{at}not") if clause.negated else []
    found += words(verb.form, verb_mark)
    found += words(ADJECTIVES[clause.adjective].english, f"{at}a") if clause.adjective else []
    return found + _objects(clause, verb, at) + (_place(clause.place, f"{at}p") if clause.place else [])


def _objects(clause: Clause, verb: Verb, at: str) -> list[Word]:
    thing = clause.object
    phrase = noun_phrase(thing, f"{at}o", subject=False) if thing and thing.form != "gap" else []
    particle = words(verb.particle, f"{at}v")
    late = thing is not None and thing.form == "pronoun"
    found = words(verb.preposition, f"{at}v", f"{at}o.of") + (
        phrase + particle if late else particle + phrase
    )
    if clause.recipient:
        found += words("to", f"{at}r.of") + noun_phrase(clause.recipient, f"{at}r", subject=False)
    return found


def _there(clause: Clause) -> list[Word]:
    assert clause.place is not None, "what is there is somewhere"
    be = words("there", "0v") + words("are" if _plural(clause.subject) else "is", "0v")
    return be + noun_phrase(clause.subject, "0s") + _place(clause.place, "0p")


def _place(place: Place, at: str) -> list[Word]:
    return words(PREPOSITIONS[place.relation], f"{at}.of") + noun_phrase(place.anchor, at, subject=False)


def _front(front: Place | str | None, at: str) -> list[Word]:
    if front is None:
        return []
    if isinstance(front, Place):
        return _place(front, f"{at}f") + COMMA
    return [word if word.text != "," else COMMA[0] for word in words(FRONTS[front], f"{at}f")]


def _plural(mention: Mention) -> bool:
    return mention.name == "both" or (mention.name in NOUNS and NOUNS[mention.name].english_plural)


def noun_phrase(mention: Mention, at: str, subject: bool = True) -> list[Word]:
    """Article, adjectives, noun and relative clause; or a name, or a pronoun."""
    name, noun = mention.name, f"{at}.noun"
    if mention.form == "gap":
        return words("who" if name in NAMES else "that", noun)
    if mention.form == "pronoun":
        plain = ("they", "them") if _plural(mention) else ("it", "it")
        return words(PRONOUNS.get(name, plain)[0 if subject else 1], noun)
    if name == "both":
        return words("Mike", f"{noun}0") + words("and", noun) + words("Jenny", f"{noun}1")
    if mention.form == "name":
        return words(NAMES[name], noun)
    article = {"definite": "the", "indefinite": "" if _plural(mention) else "a"}[mention.form]
    found = words(article, f"{at}.article")
    found += words(ADJECTIVES[mention.size].english, f"{at}.size") if mention.size else []
    found += words(ADJECTIVES[mention.colour].english, f"{at}.colour") if mention.colour else []
    return found + words(NOUNS[name].english, noun) + _relative(mention, at)


def _relative(mention: Mention, at: str) -> list[Word]:
    relative = mention.relative
    if relative is None:
        return []
    if relative.object and relative.object.form == "gap":
        return words("that", f"{at}.ro.noun") + clause(relative, f"{at}.r")
    return clause(relative, f"{at}.r")


def _with_an(sentence: list[Word]) -> list[Word]:
    following = [*sentence[1:], STOP[0]]
    return [
        word._replace(text="an") if word.text == "a" and after.text[0] in "aeiou" else word
        for word, after in zip(sentence, following, strict=True)
    ]
