"""The attention lab: what would the model have written if it had looked elsewhere?"""

from typing import Any

from seq2scene.app import requests
from seq2scene.app.model_table import Offer
from seq2scene.app.room import Action, Room
from seq2scene.app.scene_actions import sentences
from seq2scene.app.text_actions import (
    ALTERNATIVES,
    MOST_TEXT,
    MOST_WORDS,
    accepts,
    actions,
    asked,
    plain,
    require_short,
    require_words,
    search_of,
)
from seq2scene.errors import UserError
from seq2scene.models.changed_attention import Change
from seq2scene.models.explanation import explain
from seq2scene.models.scene_choices import Candidate, choices, greedy_like
from seq2scene.models.scene_writer import SceneWriter
from seq2scene.models.translator import Translator
from seq2scene.search.constraints import Normalisation

MOST_NUMBER = 200  # of an object


def attends(offer: Offer) -> bool:
    """Whether a model translates texts with attention."""
    return accepts(offer) and "no_attention" not in offer.config["attention"]["_target_"]


def reads(offer: Offer) -> bool:
    """Whether a model writes clip art or boxes whose classes attend to the words of a text."""
    if offer.kind is not SceneWriter or "no_attention" in offer.config["attention"]["_target_"]:
        return False
    return offer.config["model"]["decoder"]["_target_"].endswith(".RelationalDecoder")


def change(
    model: Translator,
    text: str,
    prefix: list[int],
    size: int,
    normalisation: Normalisation,
    masked: list[int],
    weights: list[float] | None,
) -> dict[str, Any]:
    """As ``translate``, with the attention of the step after ``prefix`` changed (``Change``)."""
    require_short(model, text)
    require_words(model, prefix)
    if prefix and prefix[-1] == model.target.vocabulary.eos:
        raise UserError("prefix: nothing is written after the end of the sentence")
    changed = model.with_attention({len(prefix): Change(masked, weights)})
    told = explain(changed, text, search_of(model, size, normalisation), prefix, ALTERNATIVES)
    return plain(model, told)


def draw(writer: SceneWriter, text: str) -> dict[str, Any]:
    """The scene of a text by greedy search, and what was weighed for each of its objects and for its end.
    desk: the room whose pictures show it.
    """
    words = writer.words(sentences(writer, text))
    if len(words) > MOST_WORDS:
        raise UserError(f"text: {len(words)} words; at most {MOST_WORDS} are read here")
    ((scene,),) = writer.scenes([text], greedy_like(writer.search))
    return {
        "desk": "layout" if writer.schema.sizes is None else "scene",
        "words": words,
        "unknown": writer.unknown(text),
        "objects": list(scene.objects),
        "steps": [
            {
                **_candidate(writer, one.chosen),
                "alternatives": [_candidate(writer, other) for other in one.alternatives],
                "attention": [round(weight, 4) for weight in one.attention],
            }
            for one in choices(writer, scene, ALTERNATIVES)
        ],
    }


def redraw(
    writer: SceneWriter, text: str, number: int, masked: list[int], weights: list[float] | None
) -> dict[str, Any]:
    """As ``draw``, with the attention for the object of this number, from 0, changed."""
    return draw(writer.with_attention({number: Change(masked, weights)}), text)


def _candidate(writer: SceneWriter, one: Candidate) -> dict[str, Any]:
    title = "(end)" if one.name is None else writer.titles[one.name]
    return {"id": one.name or "", "text": title, "probability": round(one.probability, 5)}


def _fields() -> dict[str, Any]:
    positions = MOST_WORDS + 1  # with the end of the sentence
    return {
        "masked": requests.wholes(positions - 1, positions),
        "weights": requests.numbers(0, 1, positions),
    }


def _text_of_scene() -> dict[str, Any]:
    return {"writer": requests.OfModel(reads), "text": requests.text(MOST_TEXT)}


ATTENTION_ROOM = Room(
    name="attention",
    title="Attention",
    accepts=lambda offer: attends(offer) or reads(offer),
    actions={
        **actions(attends),
        "change": Action(change, {**asked(requests.OfModel(attends)), **_fields()}),
        "draw": Action(draw, _text_of_scene()),
        "redraw": Action(
            redraw, {**_text_of_scene(), "number": requests.whole(0, MOST_NUMBER, 0), **_fields()}
        ),
    },
)
