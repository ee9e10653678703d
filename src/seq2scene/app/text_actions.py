"""What both rooms of translators do: describe a model, and translate a text with all that explains it."""

from collections.abc import Callable, Sequence
from typing import Any

from seq2scene.app import requests
from seq2scene.app.model_table import Offer
from seq2scene.app.room import Action
from seq2scene.errors import UserError
from seq2scene.models.explanation import Candidate, Explanation, Translation, beam_like, explain
from seq2scene.models.translator import Translator
from seq2scene.search.beam_tree import Node
from seq2scene.search.constraints import Constraints, Normalisation

MOST_TEXT, MOST_WORDS = 400, 60  # of a sentence: characters, tokens
WIDEST = 8  # beam
ALTERNATIVES = 8
NORMALISATIONS = ("average", "none", "gnmt")
KINDS = {  # of attention, by class; those by content also have a score
    "GlobalAttention": "global",
    "LocationAttention": "location",
    "MonotonicAttention": "local-m",
    "PredictiveAttention": "local-p",
}


def accepts(offer: Offer) -> bool:
    """Whether a model translates texts."""
    return issubclass(offer.kind, Translator)


def describe(model: Translator) -> dict[str, Any]:
    """What the page must know of a model: its languages, its size, and how it attends."""
    attention, data = model.config.get("attention") or {}, model.config.get("data") or {}
    kind = attention.get("_target_", "").rpartition(".")[2]
    decoder = model.config.get("model", {}).get("decoder", {})
    return {
        "source": str(data.get("source", "")),
        "target": str(data.get("target", "")),
        "parameters": sum(one.numel() for one in model.parameters()),
        "attends": model.decoder.attention is not None,
        "attention": KINDS.get(kind, ""),
        "score": attention.get("score"),
        "half_width": attention.get("half_width"),
        "feeds": bool(decoder.get("input_feeding", False)),
        "words": len(model.source.vocabulary),
    }


def translate(
    model: Translator, text: str, prefix: list[int], size: int, normalisation: Normalisation
) -> dict[str, Any]:
    """The translations of a text, best first, and the search that found them."""
    require_short(model, text)
    require_words(model, prefix)
    told = explain(model, text, search_of(model, size, normalisation), prefix, ALTERNATIVES)
    return plain(model, told)


def search_of(model: Translator, size: int, normalisation: Normalisation) -> Constraints:
    return beam_like(model.search, size, normalisation)


def require_short(model: Translator, text: str) -> None:
    """Raises UserError for a text of too many tokens."""
    count = len(model.source.split(text))
    if count > MOST_WORDS:
        raise UserError(f"text: {count} words; at most {MOST_WORDS} are translated here: give one sentence")


def require_words(model: Translator, ids: Sequence[int]) -> None:
    """Raises UserError unless all ``ids`` are words that the model can write; the last may be the end."""
    vocabulary = model.target.vocabulary
    special = {vocabulary.pad, vocabulary.bos, vocabulary.eos}
    if not all(0 <= one < len(vocabulary) and one not in special for one in ids[:-1]):
        raise UserError("prefix: these are not words of this model")
    if ids and (not 0 <= ids[-1] < len(vocabulary) or ids[-1] in special - {vocabulary.eos}):
        raise UserError("prefix: these are not words of this model")


def plain(model: Translator, told: Explanation) -> dict[str, Any]:
    """An explanation as plain containers; the text of a word is null for unknown ones and for the end."""
    eos = model.target.vocabulary.eos
    return {
        "source": [{"text": word.text, "known": word.known} for word in told.source],
        "end": eos,
        "translations": [_translation(one) for one in told.translations],
        "beam": [_node(model, node) for node in told.beam],
    }


def _translation(one: Translation) -> dict[str, Any]:
    return {
        "text": one.text,
        "score": _rounded(one.score),
        "log_prob": _rounded(one.log_prob),
        "finished": one.finished,
        "steps": [
            {
                **_candidate(step.word),
                "copied": step.copied,
                "alternatives": [_candidate(other) for other in step.alternatives],
                "attention": None if step.attention is None else [round(w, 4) for w in step.attention],
            }
            for step in one.steps
        ],
    }


def _candidate(one: Candidate) -> dict[str, Any]:
    return {"id": one.id, "text": one.text, "probability": round(one.probability, 5)}


def _node(model: Translator, node: Node) -> dict[str, Any]:
    vocabulary = model.target.vocabulary
    special = node.token in (vocabulary.eos, vocabulary.unk)
    return {
        "step": node.step,
        "id": node.token,
        "text": None if special else vocabulary.tokens([node.token])[0],
        "parent": node.parent,
        "log_prob": _rounded(node.log_prob),
        "total": _rounded(node.total),
        "fate": node.fate,
        "score": None if node.score is None else _rounded(node.score),
    }


def _rounded(value: float) -> float:
    return round(value, 4)


def actions(accepts: Callable[[Offer], bool]) -> dict[str, Action]:
    """The actions of a room whose models are those that it ``accepts``."""
    model = requests.OfModel(accepts)
    return {"describe": Action(describe, {"model": model}), "translate": Action(translate, asked(model))}


def asked(model: requests.OfModel) -> dict[str, Any]:
    """The fields of a translation."""
    return {
        "model": model,
        "text": requests.text(MOST_TEXT),
        "prefix": requests.wholes(2**31 - 1, 2 * MOST_WORDS + 20),
        "size": requests.whole(1, WIDEST, 4),
        "normalisation": requests.choice(*NORMALISATIONS),
    }
