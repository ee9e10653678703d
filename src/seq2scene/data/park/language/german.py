"""The German of the park: genders, numbers and cases, verb-second and verb-final clauses, separable verbs.

The middle field has the order pronouns, dative, accusative, negation, place; relative clauses of objects
follow the whole clause.
"""

from typing import NamedTuple

from seq2scene.data.park.language.lexicon import ADJECTIVES, NAMES, NOUNS
from seq2scene.data.park.language.meaning import Clause, Mention, Message, Place
from seq2scene.data.park.language.words import COMMA, STOP, Word, merge, tidy, words


class Verb(NamedTuple):
    """Third person singular and plural, the separable particle, and the government of the object.

    fixed: words that belong to the verb and precede the object.
    """

    singular: str
    plural: str
    particle: str = ""
    case: str = "accusative"
    preposition: str = ""
    fixed: str = ""


VERBS = {
    "hold": Verb("hält", "halten"),
    "raise": Verb("hält", "halten", "hoch"),
    "wear": Verb("trägt", "tragen"),
    "eat": Verb("isst", "essen"),
    "read": Verb("liest", "lesen"),
    "kick": Verb("tritt", "treten", preposition="gegen"),
    "wave": Verb("winkt", "winken", "zu", "dative"),
    "look": Verb("sieht", "sehen", "an"),
    "follow": Verb("folgt", "folgen", case="dative"),
    "run_to": Verb("rennt", "rennen", case="dative", preposition="zu"),
    "flee": Verb("läuft", "laufen", "weg", "dative", "vor"),
    "fear": Verb("hat", "haben", case="dative", preposition="vor", fixed="Angst"),
    "play": Verb("spielt", "spielen", case="dative", preposition="mit"),
    "give": Verb("gibt", "geben"),
    "stand": Verb("steht", "stehen"),
    "sit": Verb("sitzt", "sitzen"),
    "kneel": Verb("kniet", "knien"),
    "lie": Verb("liegt", "liegen"),
    "run": Verb("rennt", "rennen"),
    "fly": Verb("fliegt", "fliegen"),
    "float": Verb("schwebt", "schweben"),
    "shine": Verb("scheint", "scheinen"),
    "burn": Verb("brennt", "brennen"),
    "laugh": Verb("lacht", "lachen"),
    "smile": Verb("lächelt", "lächeln"),
    "cheer": Verb("hebt", "heben", fixed="beide Arme"),
    "rain": Verb("regnet", "regnen"),
    "tower": Verb("steht", "stehen"),
    "extend": Verb("ist", "sind"),
    "rest": Verb("liegt", "liegen"),
    "rest_up": Verb("steht", "stehen"),
    "be": Verb("ist", "sind"),
    "see": Verb("sieht", "sehen"),
}
PREPOSITIONS = {
    "next_to": "neben",
    "left_of": "links von",
    "right_of": "rechts von",
    "in_front_of": "vor",
    "behind": "hinter",
    "under": "unter",
    "on": "auf",
    "in": "in",
    "above": "über",
    "near": "nahe bei",
    "far_from": "weit weg von",
}
FRONTS = {
    "now": "jetzt",
    "today": "heute",
    "morning": "heute Morgen",
    "moment": "im Moment",
    "park": "im Park",
    "picture": "auf dem Bild",
    "outside": "draußen",
    "background": "im Hintergrund",
    "foreground": "im Vordergrund",
}
POINTING = "points to a relative clause"  # marks an article that is never contracted: von dem Baum, der ...
CASES = ("nominative", "accusative", "dative")
DEFINITE = {"m": "der den dem", "f": "die die der", "n": "das das dem", "p": "die die den"}
INDEFINITE = {"m": "ein einen einem", "f": "eine eine einer", "n": "ein ein einem", "p": "  "}
RELATIVE = {**DEFINITE, "p": "die die denen"}
PRONOUNS = {"m": "er ihn ihm", "f": "sie sie ihr", "n": "es es ihm", "p": "sie sie ihnen"}
ENDINGS = {
    "definite": {"m": "e en en", "f": "e e en", "n": "e e en", "p": "en en en"},
    "indefinite": {"m": "er en en", "f": "e e en", "n": "es es en", "p": "e e en"},
    "none": {"m": "er en en", "f": "e e en", "n": "es es en", "p": "en en en"},
}
CONTRACTIONS = {
    ("bei", "dem"): "beim",
    ("in", "dem"): "im",
    ("von", "dem"): "vom",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
}
CONJUNCTIONS = {"because": ", weil", "while": ", während", "that": ", dass"}


def sentence(message: Message) -> list[Word]:
    """The words of a message in German."""
    one, *others = message.clauses
    match message.frame:
        case "plain":
            body = main(one, "0")
        case "there":
            body = _there(one)
        case "seen":
            body = (
                words("man", "man") + words("sieht", "see") + COMMA + words("dass", "that") + final(one, "0")
            )
        case "while_first":
            before = words("während", "while") + final(one, "0") + COMMA
            body = main(others[0], "1", before)
        case "same":
            body = main(one, "0") + words("und", "and") + main(others[0], "1", subject=False)
        case "and":
            body = main(one, "0") + words("und", "and") + main(others[0], "1")
        case "but":
            body = main(one, "0") + words(", aber", "but") + main(others[0], "1")
        case frame:
            body = main(one, "0") + words(CONJUNCTIONS[frame], frame) + final(others[0], "1")
    return tidy(_contract(body + STOP))


def main(clause: Clause, at: str, before: list[Word] | None = None, subject: bool = True) -> list[Word]:
    """A verb-second clause: one constituent, the finite verb, the rest, the particle."""
    finite, particle = _verb(clause, at)
    opening = noun_phrase(clause.subject, "nominative", f"{at}s") if subject else []
    opening += _relative(clause.subject, f"{at}s") if subject else []
    front = before or _front(clause.front, at)
    order = front + finite + opening if front else opening + finite
    return order + _middle(clause, at) + particle + _behind(clause, at)


def final(clause: Clause, at: str) -> list[Word]:
    """A verb-final clause; the particle is joined to the verb."""
    subject = noun_phrase(clause.subject, "nominative", f"{at}s") + _relative(clause.subject, f"{at}s")
    front = _front(clause.front, at)
    return subject + front + _middle(clause, at) + _joined(clause, at) + _behind(clause, at)


def _joined(clause: Clause, at: str) -> list[Word]:
    finite, particle = _verb(clause, at)
    return [merge(particle[0], finite[0], particle[0].text + finite[0].text)] if particle else finite


def _verb(clause: Clause, at: str) -> tuple[list[Word], list[Word]]:
    verb = VERBS[clause.verb]
    plural = _gender(clause.subject) == "p"
    return words(verb.plural if plural else verb.singular, f"{at}v"), words(verb.particle, f"{at}v")


def _middle(clause: Clause, at: str) -> list[Word]:
    verb, thing = VERBS[clause.verb], clause.object
    none = clause.negated and thing is not None and thing.form == "indefinite" and not verb.preposition
    phrase: list[Word] = []
    if thing and thing.form != "gap":
        phrase = words(verb.preposition, f"{at}v", f"{at}o.of")
        phrase += noun_phrase(thing, verb.case, f"{at}o", f"{at}not" if none else None)
    recipient = noun_phrase(clause.recipient, "dative", f"{at}r") if clause.recipient else []
    negation = words("nicht", f"{at}not") if clause.negated and not none else []
    objects = phrase + recipient if thing and thing.form == "pronoun" else recipient + phrase
    found = negation + objects if verb.preposition else objects + negation
    place = _place(clause.place, f"{at}p") if clause.place else []
    adjective = words(ADJECTIVES[clause.adjective].german, f"{at}a") if clause.adjective else []
    return words(verb.fixed, f"{at}v") + found + place + adjective


def _behind(clause: Clause, at: str) -> list[Word]:
    found = _relative(clause.object, f"{at}o") if clause.object else []
    return found + (_relative(clause.place.anchor, f"{at}p") if clause.place else [])


def _there(clause: Clause) -> list[Word]:
    assert clause.place is not None, "what is there is somewhere"
    finite, _ = _verb(clause, "0")
    return _place(clause.place, "0p") + finite + noun_phrase(clause.subject, "nominative", "0s")


def _place(place: Place, at: str) -> list[Word]:
    return words(PREPOSITIONS[place.relation], f"{at}.of") + noun_phrase(place.anchor, "dative", at)


def _front(front: Place | str | None, at: str) -> list[Word]:
    if isinstance(front, Place):
        return _place(front, f"{at}f")
    return words(FRONTS[front], f"{at}f") if front else []


def _gender(mention: Mention) -> str:
    if mention.name == "both":
        return "p"
    if mention.name == "it":
        return "n"
    if mention.name == "hb1" and mention.form in ("name", "pronoun"):
        return "f"
    return NOUNS[mention.name].german_gender


def noun_phrase(mention: Mention, case: str, at: str, none: str | None = None) -> list[Word]:
    """Article, adjectives and noun in a case; ``none``: the negation mark of ``kein``."""
    index, gender, noun = CASES.index(case), _gender(mention), f"{at}.noun"
    if mention.form == "gap":
        return []
    if mention.form == "pronoun":
        return words(PRONOUNS[gender].split()[index], noun)
    if mention.name == "both":
        return words("Mike", f"{noun}0") + words("und", noun) + words("Jenny", f"{noun}1")
    if mention.form == "name":
        return words(NAMES[mention.name], noun)
    if none:
        kein = "keine" if gender == "p" else "k" + INDEFINITE[gender].split()[index]
        found, kind = words(kein, f"{at}.article", none), "none"
    else:
        table = DEFINITE if mention.form == "definite" else INDEFINITE
        pointing = [POINTING] if mention.relative else []
        found = words(table[gender].split(" ")[index], f"{at}.article", *pointing)
        kind = mention.form
    ending = ENDINGS[kind][gender].split()[index]
    for what, adjective in (("size", mention.size), ("colour", mention.colour)):
        found += words(ADJECTIVES[adjective].german + ending, f"{at}.{what}") if adjective else []
    entry = NOUNS[mention.name]
    return found + words(entry.oblique if entry.oblique and index else entry.german, noun)


def _relative(mention: Mention, at: str) -> list[Word]:
    """The relative clause between commas; its pronoun agrees with the noun and takes the case of its role."""
    relative = mention.relative
    if relative is None:
        return []
    of_object = relative.object is not None and relative.object.form == "gap"
    case = VERBS[relative.verb].case if of_object else "nominative"
    pronoun = RELATIVE[_gender(mention)].split()[CASES.index(case)]
    mark = f"{at}.ro.noun" if of_object else f"{at}.rs.noun"
    return COMMA + words(pronoun, mark) + final(relative, f"{at}.r") + COMMA


def _contract(sentence: list[Word]) -> list[Word]:
    found: list[Word] = []
    for word in sentence:
        short = CONTRACTIONS.get((found[-1].text, word.text)) if found else None
        if short and POINTING not in word.marks:
            found[-1] = merge(found[-1], word, short)
        else:
            found.append(word)
    return found
