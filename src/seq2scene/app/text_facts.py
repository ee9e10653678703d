"""What a typed text states about a scene of the park, and whether it holds."""

from dataclasses import replace
from typing import Any

from seq2scene.data.park.language.lexicon import NOUNS
from seq2scene.data.park.language.reading import Statement, read_sentences
from seq2scene.scenes.facts import in_words, is_park, shows_in_boxes, things_of
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema

CATEGORIES = {name: noun.english.replace(" '", "'") for name, noun in NOUNS.items()}  # of the park's photos


def is_checkable(schema: Schema) -> bool:
    """Whether the facts of the park can be checked on scenes of this schema: on its clip art, or on boxes of
    its classes. Other clip art has the park's class names, but not its hands and heads.
    """
    if schema.sizes is None:
        return {*CATEGORIES.values()} & {*schema.names} == {*CATEGORIES.values()}
    return is_park(schema)


def checked_sentences(text: str, objects: Objects, schema: Schema) -> list[dict[str, Any]]:
    """For each sentence its text and its facts: in words, and whether they hold in the one scene of
    ``objects``. A sentence without facts was not understood, or has none that boxes could show.
    """
    (things,) = things_of(objects, schema)
    return [
        {
            "text": sentence.text,
            "facts": [
                {"words": in_words(one.said, schema), "kind": one.said.group, "holds": one.holds(things)}
                for one in _on(schema, sentence.statements or ())
            ],
        }
        for sentence in read_sentences(text)
    ]


def _on(schema: Schema, statements: tuple[Statement, ...]) -> list[Statement]:
    """The statements that can be checked, with the class names of the schema."""
    if is_park(schema):
        return list(statements)
    seen = [one for one in statements if shows_in_boxes(one.said) and not one.said.denied]
    return [Statement(_renamed(one.said), tuple(dict.fromkeys(map(_renamed, one.facts)))) for one in seen]


def _renamed(fact: Any) -> Any:
    names = {key: CATEGORIES.get(getattr(fact, key), getattr(fact, key)) for key in ("subject", "object")}
    return replace(fact, **names)
