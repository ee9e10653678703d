"""Facts that a text states about a scene, as JSON, and whether they hold for given objects and positions.

A file of facts has one line of JSON for each scene of a split: ``{"scene": 6300, "texts": [[[FACT, ...],
...], ...]}``, the facts stated by each sentence of each of the scene's texts, whatever the language. A FACT
is ``{"kind": "hold", "subject": "hb0", "object": "t_13"}``; omitted fields have their defaults.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch

from seq2scene.errors import UserError
from seq2scene.json_text import to_json
from seq2scene.scenes.clip_art import CANVAS, EXPRESSIONS, POSES, THINGS, Placed
from seq2scene.scenes.objects import FIRST_CLASS, Objects
from seq2scene.scenes.relations import BOX_RELATIONS, NEAR, RELATIONS, Box, receives
from seq2scene.scenes.schema import Schema
from seq2scene.sequences.lines import each_line, parse_json

STRICT, FAIR = 8.0, 20.0  # pixels: the park's own, and one that a 28 x 28 grid can meet
ATTRIBUTES = ("colour", "size", "mood", "pose")
KINDS = ("thing", *ATTRIBUTES, *RELATIONS, "denial")
BOX_KINDS = ("thing", *BOX_RELATIONS)
SIZES = {"big": 0, "small": 2}  # the depths at which things look big and small
MOODS = {name: (name,) for name in EXPRESSIONS} | {"happy": ("laugh", "smile")}
STANCES = {name: (name,) for name in POSES} | {"stand": ("arms_out", "arms_up", "kick", "wave")}
VALUES: dict[str, Mapping[str, Any] | None] = {"colour": None, "size": SIZES, "mood": MOODS, "pose": STANCES}


@dataclass(frozen=True)
class Fact:
    """One thing that a sentence states.

    kind: ``thing`` (the subject is there), ``colour``, ``size``, ``mood`` or ``pose`` (it has this
    ``value``), or a relation (``scenes.relations``) of the subject to the object. Both are names of object
    classes. recipient: of a gift or a kicked ball. count: the least number of subjects. denied: the sentence
    negates the fact. held_out: no training text has this combination of subject, relation and object.
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
        """The kind it is counted under, one of KINDS; all denied facts are one kind."""
        return "denial" if self.denied else self.kind

    @property
    def combination(self) -> str | None:
        """``hb0|hold|t_13``: subject, relation, object; None for facts that are not relations."""
        return f"{self.subject}|{self.kind}|{self.object}" if self.kind in RELATIONS else None


Facts = tuple[Fact, ...]
DEFAULTS = {field.name: field.default for field in fields(Fact)}


# JSON


def to_plain(fact: Fact) -> dict[str, Any]:
    """A fact as in JSON, without fields that have their default."""
    return {name: value for name, value in vars(fact).items() if value != DEFAULTS[name]}


def from_plain(plain: Any) -> Fact:
    """The inverse of ``to_plain``; raises UserError for anything that is not a fact."""
    try:
        fact = Fact(**plain)
    except TypeError:
        raise UserError(
            f"{plain} is not a fact: it needs kind and subject, and may have {', '.join(DEFAULTS)}"
        ) from None
    for name, value in vars(fact).items():
        if expected := _expected(name, value):
            raise UserError(f"{plain}: its {name} is {expected}, not {value!r:.60}")
    if fact.kind not in KINDS[:-1]:
        raise UserError(f"{plain}: {fact.kind} is not a kind of fact; kinds are {', '.join(KINDS[:-1])}")
    known = VALUES.get(fact.kind)
    if (fact.kind in ATTRIBUTES and fact.value is None) or (known and fact.value not in known):
        of = f"one of {', '.join(known)}" if known else "a word"
        raise UserError(f"{plain}: the value of a fact of kind {fact.kind} is {of}")
    if fact.kind in RELATIONS and fact.object is None:
        raise UserError(f"{plain}: a relation has an object")
    return fact


def _expected(name: str, value: Any) -> str:
    """What the value of a field must be, in words; empty if it is that."""
    match DEFAULTS[name]:
        case bool():
            return "" if isinstance(value, bool) else "true or false"
        case int():
            return "" if type(value) is int and value > 0 else "a whole number of 1 or more"
        case default:
            return "" if isinstance(value, str) or value is default else "a text"


SceneFacts = list[list[Facts]]  # by text of a scene, by sentence of the text


def facts_line(scene: int, texts: SceneFacts) -> str:
    """A line of a file of facts."""
    plain = [[[to_plain(fact) for fact in sentence] for sentence in text] for text in texts]
    return to_json({"scene": scene, "texts": plain}, ensure_ascii=False)


def read_facts(path: Path, hint: str = "", schema: Schema | None = None) -> dict[int, SceneFacts]:
    """Reads a file of facts, by scene number.

    Raises UserError, with file and line, if it is malformed, and for a fact that nobody can judge in scenes
    of this ``schema``; None: all are taken.
    """
    kinds = judged_kinds(schema) if schema else ()
    known: dict[int, SceneFacts] = {}
    for number, line in enumerate(each_line(path, hint), start=1):
        place = f"{path}, line {number}"
        plain = parse_json(line.encode(), place)
        try:
            texts = [[tuple(map(from_plain, sentence)) for sentence in text] for text in plain["texts"]]
            if schema:
                for fact in dict.fromkeys(fact for text in texts for told in text for fact in told):
                    _require_judged(fact, schema, kinds)
            known[int(plain["scene"])] = texts
        except (KeyError, TypeError, ValueError, OverflowError) as error:  # int(inf)
            raise UserError(f"{place}: a line has a scene and its texts: {error}") from error
        except UserError as error:
            raise UserError(f"{place}: {error}") from error
    return known


def _require_judged(fact: Fact, schema: Schema, kinds: Sequence[str]) -> None:
    for name in (fact.subject, fact.object, fact.recipient):
        if name is not None and name not in schema.names:
            near = get_close_matches(name, schema.names, 3) or schema.names[:8]
            raise UserError(
                f"{to_plain(fact)}: these scenes have no object class {name}; they have {', '.join(near)}"
            )
    if fact.kind not in kinds or (fact.recipient is not None and kinds == BOX_KINDS):
        raise UserError(
            f"{to_plain(fact)}: in these scenes it cannot be judged; facts without a recipient can, of the "
            f"kinds {', '.join(kinds)}: remove it"
        )


def of_text(sentences: Sequence[Facts]) -> Facts:
    """The facts that a text states, each once."""
    return tuple(dict.fromkeys(fact for sentence in sentences for fact in sentence))


# Words

VERBS = {  # of relations expressed by a verb; the others are expressed with "is"
    **{kind: kind for kind in ("hold", "wear", "kick", "raise", "eat", "read", "give", "fear", "follow")},
    **{"wave": "wave at", "look": "look at", "play": "play with", "run_to": "run to", "flee": "flee from"},
}
VALUE_VERBS = {  # of moods and poses
    **{value: value for value in ("laugh", "smile", "kick", "run", "kneel", "sit", "wave", "stand")},
    **{"arms_out": "stretch out both arms", "arms_up": "raise both arms"},
}


def in_words(fact: Fact, schema: Schema) -> str:
    """A fact in a few words, with class titles: ``Mike holds ball``, ``dog is not left of tree``, ``3 x
    dog``, ``no cat``.
    """
    titles = {name: schema.title(number) for number, name in enumerate(schema.names, start=FIRST_CLASS)}
    subject = titles.get(fact.subject, fact.subject)
    if fact.kind == "thing":
        counted = f"{fact.count} x {subject}" if fact.count > 1 else subject
        return f"no {counted}" if fact.denied else counted
    said, verbs = fact.kind, VERBS
    if fact.kind in ATTRIBUTES and fact.value:
        said, verbs = fact.value, VALUE_VERBS
    if said in verbs:
        verb, *rest = verbs[said].split()
        words = ["does not", verb, *rest] if fact.denied else [f"{verb}s", *rest]
    else:
        words = ["is not" if fact.denied else "is", said.replace("_", " ")]
    words += [titles.get(fact.object, fact.object)] if fact.object else []
    words += ["to", titles.get(fact.recipient, fact.recipient)] if fact.recipient else []
    return " ".join([subject, *words])


# What holds

Things = Mapping[str, Sequence[Placed | Box]]  # by class; all of one kind
ALIKE = 2.0  # pixels by which pictures of the park may be larger than the sizes that facts are computed with


def is_park(schema: Schema) -> bool:
    """Whether scenes are of the park's clip art, of which hands, heads, poses and depths are known. Other
    clip art may have its class names.
    """
    if schema.sizes is None or schema.types or not {*schema.names} <= THINGS.keys():
        return False
    things = [THINGS[name] for name in schema.names]
    largest = torch.tensor([(thing.width, thing.height) for thing in things]) + ALIKE
    return bool((schema.sizes[:, 0, 0].cpu() <= largest).all())


def judged_kinds(schema: Schema) -> tuple[str, ...]:
    """The kinds of facts that can be judged in scenes of a schema: in the park's clip art all; in layouts,
    and in other clip art, those that boxes show, without a recipient.
    """
    return KINDS[:-1] if is_park(schema) else BOX_KINDS


def things_of(objects: Objects, schema: Schema) -> list[Things]:
    """The things of each scene by class: placed clip art if they are of the park, else boxes. An attribute
    without a head counts as 0, as in drawing.
    """
    at = objects.present
    names = [schema.name(number) for number in objects.classes[at].tolist()]
    made: list[Placed] | list[Box]
    if not is_park(schema):
        boxes = schema.boxes(objects)[at] * (CANVAS[0] / max(schema.canvas))
        made = [Box(*box) for box in boxes.tolist()]
    else:
        made = [Placed(name, *values) for name, values in zip(names, _placed(objects), strict=True)]
    scenes: list[dict[str, list[Placed | Box]]] = [{} for _ in range(len(objects))]
    for row, name, thing in zip(at.nonzero()[:, 0].tolist(), names, made, strict=True):
        scenes[row].setdefault(name, []).append(thing)
    return [*scenes]


def _placed(objects: Objects) -> Iterator[tuple[float, float, int, int, int, int]]:
    """x, y, depth, flip, pose and expression of each object, scene by scene."""
    at, none = objects.present, torch.zeros_like(objects.classes)
    heads = (objects.attributes.get(head, none) for head in ("size", "flip", "pose", "expression"))
    columns = (values[at].tolist() for values in heads)
    yield from zip(*objects.places[at].T.tolist(), *columns, strict=True)


def check(facts: Sequence[Fact], objects: Objects, schema: Schema, tolerance: float = FAIR) -> list[bool]:
    """Which facts hold in a scene, given by objects (1, T)."""
    (things,) = things_of(objects, schema)
    return [holds(fact, things, tolerance) for fact in facts]


def shows_in_boxes(fact: Fact) -> bool:
    """Whether a fact can be checked on boxes, which have neither depth nor pose nor direction."""
    return fact.kind in BOX_KINDS and fact.recipient is None


def holds(fact: Fact, things: Things, tolerance: float = FAIR) -> bool:
    """Whether a fact holds for these things. If a class occurs more than once, any one of them suffices.

    tolerance: how far a held thing may be from the hand, in pixels; every other bound of a relation is
    widened by as much as this exceeds STRICT. A denied fact holds if its subject is present and the fact is
    false by the strict bounds, so that a larger tolerance never makes a fact false. The denial of a thing
    holds if the scene is not empty and lacks it.

    Raises:
        UserError: facts of this kind, or with a recipient, cannot be checked on boxes.
    """
    subjects = things.get(fact.subject, [])
    boxes = bool(subjects) and isinstance(subjects[0], Box)
    if boxes and not shows_in_boxes(fact):
        raise UserError(
            f"{to_plain(fact)}: {fact.kind} cannot be checked on boxes; possible are {', '.join(BOX_KINDS)}, "
            "without a recipient"
        )
    if fact.denied:
        needed = things if fact.kind == "thing" else subjects
        return bool(needed) and not holds(replace(fact, denied=False), things, STRICT)
    value = fact.value or ""
    match fact.kind:
        case "thing":
            return len(subjects) >= fact.count
        case "colour":
            return bool(subjects)  # each clip-art class has one colour
        case "size":
            return any(one.z == SIZES[value] for one in subjects)
        case "mood":
            placed = (one for one in subjects if isinstance(one, Placed))
            return any(EXPRESSIONS[one.expression] in MOODS[value] for one in placed)
        case "pose":
            placed = (one for one in subjects if isinstance(one, Placed))
            return any(POSES[one.pose] in STANCES[value] for one in placed)
        case kind:
            meaning = BOX_RELATIONS[kind] if boxes else RELATIONS[kind]
            return _related(meaning, fact, things, tolerance - NEAR)


def _related(meaning: Callable[..., bool], fact: Fact, things: Things, slack: float) -> bool:
    others = things.get(fact.object, []) if fact.object else []
    for one in things.get(fact.subject, []):
        if fact.recipient and not any(
            isinstance(one, Placed) and isinstance(to, Placed) and receives(one, to, slack)
            for to in things.get(fact.recipient, [])
        ):
            continue
        if any(meaning(one, other, slack) for other in others if other is not one):
            return True
    return False
