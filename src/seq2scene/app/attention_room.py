"""The attention lab: what would the model have written if it had looked elsewhere?"""

from typing import Any

from seq2scene.app import requests
from seq2scene.app.model_table import Offer
from seq2scene.app.room import Action, Room
from seq2scene.app.text_actions import (
    ALTERNATIVES,
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
from seq2scene.models.translator import Translator


def attends(offer: Offer) -> bool:
    """Whether a model translates texts with attention."""
    return accepts(offer) and "no_attention" not in offer.config["attention"]["_target_"]


def change(
    model: Translator,
    text: str,
    prefix: list[int],
    size: int,
    normalisation: str,
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


def _fields() -> dict[str, Any]:
    positions = MOST_WORDS + 1  # with the end of the sentence
    return {
        **asked(requests.OfModel(attends)),
        "masked": requests.wholes(positions - 1, positions),
        "weights": requests.numbers(0, 1, positions),
    }


ATTENTION_ROOM = Room(
    name="attention",
    title="Attention",
    accepts=attends,
    actions={**actions(attends), "change": Action(change, _fields())},
)
