"""The French of the park.

Gender and number, colours after nouns, clitics before the verb, negation around it, elision and contraction.
"""

from typing import NamedTuple

from seq2scene.data.park.language.lexicon import ADJECTIVES, NAMES, NOUNS
from seq2scene.data.park.language.meaning import Clause, Mention, Message, Place
from seq2scene.data.park.language.words import COMMA, STOP, Word, merge, tidy, words


class Verb(NamedTuple):
    """Third person singular and plural, words after the verb, preposition of the object, words after it.

    agreeing: the words after the verb are a participle that agrees with the subject. reflexive: with ``se``.
    """

    singular: str
    plural: str
    tail: str = ""
    preposition: str = ""
    end: str = ""
    agreeing: bool = False
    reflexive: bool = False


VERBS = {
    "hold": Verb("tient", "tiennent"),
    "raise": Verb("tient", "tiennent", end="en l' air"),
    "wear": Verb("porte", "portent"),
    "eat": Verb("mange", "mangent"),
    "read": Verb("lit", "lisent"),
    "kick": Verb("tape", "tapent", preposition="dans"),
    "wave": Verb("fait", "font", "signe", "à"),
    "look": Verb("regarde", "regardent"),
    "follow": Verb("suit", "suivent"),
    "run_to": Verb("court", "courent", preposition="vers"),
    "flee": Verb("fuit", "fuient", preposition="devant"),
    "fear": Verb("a", "ont", "peur", "de"),
    "play": Verb("joue", "jouent", preposition="avec"),
    "give": Verb("donne", "donnent"),
    "stand": Verb("tient", "tiennent", reflexive=True),
    "sit": Verb("est", "sont", "assis", agreeing=True),
    "kneel": Verb("est", "sont", "à genoux"),
    "lie": Verb("est", "sont", "couché", agreeing=True),
    "run": Verb("court", "courent"),
    "fly": Verb("vole", "volent"),
    "float": Verb("flotte", "flottent"),
    "shine": Verb("brille", "brillent"),
    "burn": Verb("brûle", "brûlent"),
    "laugh": Verb("rit", "rient"),
    "smile": Verb("sourit", "sourient"),
    "cheer": Verb("lève", "lèvent", "les deux bras"),
    "rain": Verb("pleut", "pleuvent"),
    "tower": Verb("trouve", "trouvent", reflexive=True),
    "extend": Verb("trouve", "trouvent", reflexive=True),
    "rest": Verb("est", "sont"),
    "rest_up": Verb("est", "sont"),
    "be": Verb("est", "sont"),
    "see": Verb("voit", "voient"),
}
PREPOSITIONS = {
    "next_to": "à côté de",
    "left_of": "à gauche de",
    "right_of": "à droite de",
    "in_front_of": "devant",
    "behind": "derrière",
    "under": "sous",
    "on": "sur",
    "in": "dans",
    "above": "au-dessus de",
    "near": "près de",
    "far_from": "loin de",
}
FRONTS = {
    "now": "maintenant",
    "today": "aujourd' hui",
    "morning": "ce matin",
    "moment": "en ce moment",
    "park": "dans le parc",
    "picture": "sur l' image",
    "outside": "dehors",
    "background": "à l' arrière-plan",
    "foreground": "au premier plan",
}
DEFINITE = {"m": "le", "f": "la", "mp": "les", "fp": "les"}
INDEFINITE = {"m": "un", "f": "une", "mp": "des", "fp": "des"}
SUBJECTS = {"m": "il", "f": "elle", "mp": "ils", "fp": "elles"}
ELIDING = {"le": "l'", "la": "l'", "de": "d'", "ne": "n'", "que": "qu'", "se": "s'"}
CONTRACTIONS = {("de", "le"): "du", ("de", "les"): "des", ("à", "le"): "au", ("à", "les"): "aux"}
ASPIRATED = ("hibou", "hot-dog", "hamburger")
CONJUNCTIONS = {
    "and": "et",
    "but": ", mais",
    "because": "parce que",
    "while": "pendant que",
    "that": "que",
}


def sentence(message: Message) -> list[Word]:
    """The words of a message in French."""
    one, *others = message.clauses
    match message.frame:
        case "plain":
            body = clause(one, "0")
        case "there":
            assert one.place is not None, "what is there is somewhere"
            body = words("il y a", "0v") + noun_phrase(one.subject, "0s") + _place(one.place, "0p")
        case "seen":
            body = words("on", "man") + words("voit", "see") + words("que", "that") + clause(one, "0")
        case "while_first":
            body = words("pendant que", "while") + clause(one, "0") + COMMA + clause(others[0], "1")
        case "same":
            body = clause(one, "0") + words("et", "and") + clause(others[0], "1", subject=False)
        case frame:
            body = clause(one, "0") + words(CONJUNCTIONS[frame], frame) + clause(others[0], "1")
    return tidy(_elide(body + STOP))


def clause(clause: Clause, at: str, subject: bool = True) -> list[Word]:
    """Subject, ne, clitics, verb, pas, objects, place; the subject is omitted if it is the last clause's."""
    opening = noun_phrase(clause.subject, f"{at}s", subject=True) if subject else []
    return _front(clause.front, at) + opening + _predicate(clause, at)


def _predicate(clause: Clause, at: str) -> list[Word]:
    verb, gender = VERBS[clause.verb], _gender(clause.subject)
    plural = gender.endswith("p")
    found = words("ne", f"{at}not") if clause.negated else []
    found += words("se", f"{at}v") if verb.reflexive else []
    found += _clitics(clause, verb, at)
    found += words(verb.plural if plural else verb.singular, f"{at}v")
    found += words("pas", f"{at}not") if clause.negated else []
    found += words(_agree(verb.tail, verb.tail + "e", gender) if verb.agreeing else verb.tail, f"{at}v")
    if clause.adjective:
        adjective = ADJECTIVES[clause.adjective]
        found += words(_agree(adjective.french, adjective.feminine, gender), f"{at}a")
    return found + _objects(clause, verb, at) + (_place(clause.place, f"{at}p") if clause.place else [])


def _clitics(clause: Clause, verb: Verb, at: str) -> list[Word]:
    """Pronouns before the verb: le, la, les for the direct object, lui, leur for the indirect one."""
    found: list[Word] = []
    for mention, mark, to_whom in (
        (clause.object, f"{at}o", verb.preposition == "à"),
        (clause.recipient, f"{at}r", True),
    ):
        if mention and mention.form == "pronoun":
            gender = _gender(mention)
            dative = "leur" if gender.endswith("p") else "lui"
            found += words(dative if to_whom else DEFINITE[gender], f"{mark}.noun")
    return found


def _objects(clause: Clause, verb: Verb, at: str) -> list[Word]:
    found: list[Word] = []
    thing, recipient = clause.object, clause.recipient
    if thing and thing.form not in ("pronoun", "gap"):
        none = clause.negated and thing.form == "indefinite" and not verb.preposition
        found += words(verb.preposition, f"{at}v", f"{at}o.of") + noun_phrase(thing, f"{at}o", none=none)
    found += words(verb.end, f"{at}v")
    if recipient and recipient.form != "pronoun":
        found += words("à", f"{at}r.of") + noun_phrase(recipient, f"{at}r")
    return found


def _place(place: Place, at: str) -> list[Word]:
    return words(PREPOSITIONS[place.relation], f"{at}.of") + noun_phrase(place.anchor, at)


def _front(front: Place | str | None, at: str) -> list[Word]:
    if isinstance(front, Place):
        return _place(front, f"{at}f") + COMMA
    return words(FRONTS[front], f"{at}f") + COMMA if front else []


def _gender(mention: Mention) -> str:
    if mention.name in ("both", "it"):
        return "mp" if mention.name == "both" else "m"
    return NOUNS[mention.name].french_gender


def _agree(masculine: str, feminine: str, gender: str) -> str:
    form = feminine if gender[0] == "f" else masculine
    return form if not gender.endswith("p") or form.endswith("s") else form + "s"


def noun_phrase(mention: Mention, at: str, subject: bool = False, none: bool = False) -> list[Word]:
    """Article, size, noun, colour, relative clause; ``none``: ``de`` for the article, after ``pas``."""
    name, noun, gender = mention.name, f"{at}.noun", _gender(mention)
    if mention.form == "gap":
        return words("qui", noun)
    if mention.form == "pronoun":
        assert subject, "pronouns that are not subjects are clitics"
        return words(SUBJECTS[gender], noun)
    if name == "both":
        return words("Mike", f"{noun}0") + words("et", noun) + words("Jenny", f"{noun}1")
    if mention.form == "name":
        return words(NAMES[name], noun)
    article = "de" if none else (DEFINITE if mention.form == "definite" else INDEFINITE)[gender]
    found = words(article, f"{at}.article")
    found += _adjective(mention.size, gender, f"{at}.size")
    found += words(NOUNS[name].french, noun) + _adjective(mention.colour, gender, f"{at}.colour")
    return found + _relative(mention, at)


def _adjective(name: str | None, gender: str, mark: str) -> list[Word]:
    if name is None:
        return []
    return words(_agree(ADJECTIVES[name].french, ADJECTIVES[name].feminine, gender), mark)


def _relative(mention: Mention, at: str) -> list[Word]:
    relative = mention.relative
    if relative is None:
        return []
    if relative.object and relative.object.form == "gap":
        return words("que", f"{at}.ro.noun") + clause(relative, f"{at}.r")
    return clause(relative, f"{at}.r")


def _vowel(word: str) -> bool:
    return word[0].lower() in "aeiouéèêh" and word not in ASPIRATED


def _elide(sentence: list[Word]) -> list[Word]:
    """Elides (le + arbre -> l' arbre) or contracts (de + le -> du) articles, from the end backwards."""
    found: list[Word] = []
    for word in reversed(sentence):
        after = found[-1] if found else None
        if after and word.text in ELIDING and _vowel(after.text):
            found.append(word._replace(text=ELIDING[word.text]))
        elif after and (short := CONTRACTIONS.get((word.text, after.text))) and _is_article(after):
            found[-1] = merge(word, after, short)
        else:
            found.append(word)
    return found[::-1]


def _is_article(word: Word) -> bool:
    return any(mark.endswith(".article") for mark in word.marks)
