"""Facts that a text states of a scene, as JSON, and whether they hold of objects where they stand.

A file of facts has a line of JSON for each scene of a split: ``{"scene": 6300, "texts": [[[FACT, ...], ...],
...]}``, of each of the scene's texts, and each of its sentences, the facts it states, whatever its language.
A FACT is ``{"kind": "hold", "subject": "hb0", "object": "t_13"}``; a field left out has its default.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from seq2scene.errors import UserError
from seq2scene.json_text import to_json
from seq2scene.scenes.clip_art import CANVAS, EXPRESSIONS, POSES, Placed
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.relations import BOX_RELATIONS, NEAR, RELATIONS, Box, receives
from seq2scene.scenes.schema import Schema
from seq2scene.sequences.lines import each_line, parse_json

STRICT, FAIR = 8.0, 20.0  # pixels: the park's own, and what a grid of 28 x 28 can keep to
ATTRIBUTES = ("colour", "size", "mood", "pose")
KINDS = ("thing", *ATTRIBUTES, *RELATIONS, "denial")
BOX_KINDS = ("thing", *BOX_RELATIONS)
SIZES = {"big": 0, "small": 2}  # the depths at which a thing looks big and small
MOODS = {name: (name,) for name in EXPRESSIONS} | {"happy": ("laugh", "smile")}
STANCES = {name: (name,) for name in POSES} | {"stand": ("arms_out", "arms_up", "kick", "wave")}
VALUES: dict[str, Mapping[str, Any] | None] = {"colour": None, "size": SIZES, "mood": MOODS, "pose": STANCES}


@dataclass(frozen=True)
class Fact:
    """One thing that a sentence states.

    kind: ``thing`` (the subject is there), ``colour``, ``size``, ``mood`` or ``pose`` (it has this
    ``value``), or a relation (``scenes.relations``) of the subject to the object. Both are names of object
    classes. recipient: who a gift, or a ball that is kicked, goes to. count: how many of the subject there
    are, at least. denied: the sentence says that it is not so. held_out: no training text of the data has
    this subject, relation and object.
    """

    kind: str
    subject: str
    object: str | None = None
    recipient: str | None = None
    value: str | None = None
    count: int = 1
    denied: bool = False
    held_out: bool = False

    @property
    def group(self) -> str:
        """The kind that it is counted as, one of KINDS: all that is denied is one."""
        return "denial" if self.denied else self.kind

    @property
    def combination(self) -> str | None:
        """``hb0|hold|t_13``: who, relation, what; None of facts that are no relation."""
        return f"{self.subject}|{self.kind}|{self.object}" if self.kind in RELATIONS else None


Facts = tuple[Fact, ...]
DEFAULTS = {field.name: field.default for field in fields(Fact)}


# JSON


def to_plain(fact: Fact) -> dict[str, Any]:
    """A fact as JSON has it, without the fields that have their default."""
    return {name: value for name, value in vars(fact).items() if value != DEFAULTS[name]}


def from_plain(plain: Any) -> Fact:
    """The inverse of ``to_plain``; raises UserError for what is no fact."""
    try:
        fact = Fact(**plain)
    except TypeError:
        raise UserError(f"{plain} is no fact: it has kind, subject, and of {', '.join(DEFAULTS)}") from None
    if fact.kind not in KINDS[:-1]:
        raise UserError(f"{plain}: there is no fact of kind {fact.kind}; kinds are {', '.join(KINDS[:-1])}")
    known = VALUES.get(fact.kind)
    if (fact.kind in ATTRIBUTES and fact.value is None) or (known and fact.value not in known):
        of = f"one of {', '.join(known)}" if known else "a word"
        raise UserError(f"{plain}: the value of a fact of kind {fact.kind} is {of}")
    if fact.kind in RELATIONS and fact.object is None:
        raise UserError(f"{plain}: a relation has an object")
    return fact


SceneFacts = list[list[Facts]]  # of each text of a scene, of each of its sentences


def facts_line(scene: int, texts: SceneFacts) -> str:
    """A line of a file of facts."""
    plain = [[[to_plain(fact) for fact in sentence] for sentence in text] for text in texts]
    return to_json({"scene": scene, "texts": plain}, ensure_ascii=False)


def read_facts(path: Path, hint: str = "") -> dict[int, SceneFacts]:
    """A file of facts, by the number of the scene; raises UserError where it is none."""
    known: dict[int, SceneFacts] = {}
    for number, line in enumerate(each_line(path, hint), start=1):
        place = f"{path}, line {number}"
        plain = parse_json(line.encode(), place)
        try:
            texts = [[tuple(map(from_plain, sentence)) for sentence in text] for text in plain["texts"]]
            known[int(plain["scene"])] = texts
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{place}: a line has a scene and its texts: {error}") from error
        except UserError as error:
            raise UserError(f"{place}: {error}") from error
    return known


def of_text(sentences: Sequence[Facts]) -> Facts:
    """What a text states, each fact once."""
    return tuple(dict.fromkeys(fact for sentence in sentences for fact in sentence))


# Words

VERBS = {  # of the relations that are said with one; the others are said with "is"
    **{kind: kind for kind in ("hold", "wear", "kick", "raise", "eat", "read", "give", "fear", "follow")},
    **{"wave": "wave at", "look": "look at", "play": "play with", "run_to": "run to", "flee": "flee from"},
}
VALUE_VERBS = {  # of moods and poses, likewise
    **{value: value for value in ("laugh", "smile", "kick", "run", "kneel", "sit", "wave", "stand")},
    **{"arms_out": "stretch out both arms", "arms_up": "raise both arms"},
}


def in_words(fact: Fact, schema: Schema) -> str:
    """A fact in a few words, with the titles of the classes: ``Mike holds ball``, ``dog is not left of
    tree``, ``3 x dog``, ``no cat``.
    """
    titles = dict(zip(schema.names, schema.titles or schema.names, strict=True))
    subject, thing, recipient = (titles.get(n, n) for n in (fact.subject, fact.object, fact.recipient))
    if fact.kind == "thing":
        counted = f"{fact.count} x {subject}" if fact.count > 1 else subject
        return f"no {counted}" if fact.denied else counted
    said, verbs = (fact.value, VALUE_VERBS) if fact.kind in ATTRIBUTES else (fact.kind, VERBS)
    if said in verbs:
        verb, *rest = verbs[said].split()
        words = ["does not", verb, *rest] if fact.denied else [f"{verb}s", *rest]
    else:
        words = ["is not" if fact.denied else "is", said.replace("_", " ")]
    words += [thing] if thing else []
    words += ["to", recipient] if recipient else []
    return " ".join([subject, *words])


# What holds

Things = dict[str, list[Placed]] | dict[str, list[Box]]  # by class


def things_of(objects: Objects, schema: Schema) -> list[Things]:
    """The things of each scene by class: placed clip art, where the schema is of clip art, else boxes. An
    attribute without a head counts as 0, as it is drawn.
    """
    at = objects.present
    names = [schema.name(number) for number in objects.classes[at].tolist()]
    if schema.sizes is None:
        boxes = schema.boxes(objects)[at] * (CANVAS[0] / max(schema.canvas))
        made = [Box(*box) for box in boxes.tolist()]
    else:
        made = [Placed(name, *values) for name, values in zip(names, _placed(objects), strict=True)]
    scenes: list[Things] = [{} for _ in range(len(objects))]
    for row, name, thing in zip(at.nonzero()[:, 0].tolist(), names, made, strict=True):
        scenes[row].setdefault(name, []).append(thing)
    return scenes


def _placed(objects: Objects) -> Iterator[tuple[float, ...]]:
    """Of each object x, y, depth, flip, pose and expression, scene by scene."""
    at, none = objects.present, torch.zeros_like(objects.classes)
    heads = (objects.attributes.get(head, none) for head in ("size", "flip", "pose", "expression"))
    columns = (values[at].tolist() for values in heads)
    yield from zip(*objects.places[at].T.tolist(), *columns, strict=True)


def check(facts: Sequence[Fact], objects: Objects, schema: Schema, tolerance: float = FAIR) -> list[bool]:
    """Which facts hold in a scene: objects (1, T)."""
    (things,) = things_of(objects, schema)
    return [holds(fact, things, tolerance) for fact in facts]


def holds(fact: Fact, things: Things, tolerance: float = FAIR) -> bool:
    """Whether a fact holds of these things. Where a class is there more than once, one of them will do.

    tolerance: in pixels, how far what is held may be from the hand; every other bound of a relation is
    widened as much beyond STRICT. Something denied holds where its subject is there, and it is not so by the
    strict bounds; so a larger tolerance never makes a fact false. That a thing is denied holds where other
    things are there.

    Raises:
        UserError: boxes cannot show facts of this kind.
    """
    subjects = things.get(fact.subject, [])
    boxes = bool(subjects) and isinstance(subjects[0], Box)
    if boxes and fact.kind not in BOX_KINDS:
        raise UserError(f"{to_plain(fact)}: boxes show no {fact.kind}; they show {', '.join(BOX_KINDS)}")
    if fact.denied:
        needed = things if fact.kind == "thing" else subjects
        return bool(needed) and not holds(replace(fact, denied=False), things, STRICT)
    match fact.kind:
        case "thing":
            return len(subjects) >= fact.count
        case "colour":
            return bool(subjects)  # a class of clip art has one colour
        case "size":
            return any(one.z == SIZES[fact.value] for one in subjects)
        case "mood":
            return any(EXPRESSIONS[one.expression] in MOODS[fact.value] for one in subjects)
        case "pose":
            return any(POSES[one.pose] in STANCES[fact.value] for one in subjects)
        case kind:
            meaning = BOX_RELATIONS[kind] if boxes else RELATIONS[kind]
            return _related(meaning, fact, things, tolerance - NEAR)


def _related(meaning: Callable[..., bool], fact: Fact, things: Things, slack: float) -> bool:
    others = things.get(fact.object, [])
    for one in things.get(fact.subject, []):
        if fact.recipient and not any(receives(one, to, slack) for to in things.get(fact.recipient, [])):
            continue
        if any(meaning(one, other, slack) for other in others if other is not one):
            return True
    return False
