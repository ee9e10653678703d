"""What visitors send: JSON of limited size and depth, each field checked before anything uses it."""

import asyncio
import json
import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from seq2scene.app.model_table import Offer

MOST_BYTES = 256 * 1024
BODY_SECONDS = 10.0
MOST_TEXT = 2000  # characters
MOST_OBJECTS = 60
MOST_NUMBER = 1e9  # of an object


class Refused(Exception):
    """A request that is not served. status: of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class OfModel:
    """A field that names one of the page's models; handlers receive the model. accepts: which ones."""

    accepts: Callable[[Offer], bool]
    optional: bool = False


Check = Callable[[str, Any], Any]  # name and value of a field -> the value; raises Refused
Fields = Mapping[str, Check | OfModel]


async def read_body(request: Request) -> dict[str, Any]:
    """The JSON object that a request holds.

    Raises Refused: 415 if it is not declared as JSON, 413 above MOST_BYTES, 408 if it takes too long to
    arrive, 400 if it is not a JSON object.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise Refused(415, "requests are JSON: Content-Type: application/json")
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > MOST_BYTES:
        raise Refused(413, f"the request has {length} bytes; at most {MOST_BYTES} are read")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise Refused(413, f"the request has more than {MOST_BYTES} bytes")
    except TimeoutError:
        raise Refused(408, f"the request did not arrive within {BODY_SECONDS:g} s") from None
    return parse(bytes(body))


def parse(body: bytes) -> dict[str, Any]:
    """A JSON object, without NaN and infinities. Raises Refused."""
    try:
        found = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).split(";")[0]
        raise Refused(400, f"the request is not JSON: {reason}") from None
    if not isinstance(found, dict):
        raise Refused(400, "a request is a JSON object")
    return found


def checked(body: Mapping[str, Any], fields: Fields, offers: Mapping[str, Offer]) -> dict[str, Any]:
    """The fields of a request, checked; models stay names (or None). Raises Refused: 404 for a model that the
    page does not have, 400 otherwise.
    """
    for name in body:
        if name not in fields:
            raise Refused(400, f"{name[:60]!r}: there is no such field; fields are {', '.join(fields)}")
    values = {}
    for name, check in fields.items():
        value = body.get(name)
        if isinstance(check, OfModel):
            values[name] = _model_name(name, value, check, offers)
        else:
            values[name] = check(name, value)
    return values


def _model_name(name: str, value: Any, field: OfModel, offers: Mapping[str, Offer]) -> str | None:
    if value is None and field.optional:
        return None
    fitting = [offer.name for offer in offers.values() if field.accepts(offer)]
    if not isinstance(value, str) or value not in fitting:
        raise Refused(404, f"{name}: there is no such model here; there are {', '.join(fitting) or 'none'}")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


# Checks


def text(most: int = MOST_TEXT) -> Check:
    """A text of at most ``most`` characters, without control characters but for line breaks and tabs."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise Refused(400, f"{name}: a text is needed")
        if len(value) > most:
            raise Refused(400, f"{name}: {len(value)} characters; at most {most} are read")
        if any(unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\n\r\t" for sign in value):
            raise Refused(400, f"{name}: it has characters that are not text, such as null bytes")
        return " ".join(value.split())

    return check


def whole(least: int, most: int, default: int) -> Check:
    """A whole number; ``default`` if absent."""

    def check(name: str, value: Any) -> int:
        value = default if value is None else value
        if type(value) is not int or not least <= value <= most:
            raise Refused(400, f"{name}: a whole number from {least} to {most} is needed")
        return value

    return check


def number(least: float, most: float, default: float) -> Check:
    """A finite number; ``default`` if absent."""

    def check(name: str, value: Any) -> float:
        value = default if value is None else value
        if type(value) not in (int, float) or not math.isfinite(value) or not least <= value <= most:
            raise Refused(400, f"{name}: a number from {least:g} to {most:g} is needed")
        return float(value)

    return check


def wholes(most: int, count: int) -> Check:
    """A list of at most ``count`` whole numbers from 0 to ``most``; empty if absent."""

    def check(name: str, value: Any) -> list[int]:
        value = [] if value is None else value
        good = isinstance(value, list) and all(type(one) is int and 0 <= one <= most for one in value)
        if not good or len(value) > count:
            raise Refused(400, f"{name}: a list of at most {count} whole numbers from 0 to {most} is needed")
        return value

    return check


def numbers(least: float, most: float, count: int) -> Check:
    """A list of at most ``count`` numbers; None if absent."""
    each = number(least, most, least)

    def check(name: str, value: Any) -> list[float] | None:
        if value is None:
            return None
        if not isinstance(value, list) or len(value) > count or None in value:
            raise Refused(400, f"{name}: a list of at most {count} numbers is needed")
        return [each(name, one) for one in value]

    return check


def choice(*options: str) -> Check:
    """One of ``options``; the first if absent."""

    def check(name: str, value: Any) -> str:
        value = options[0] if value is None else value
        if value not in options:
            raise Refused(400, f"{name}: one of {', '.join(options)} is needed")
        return value

    return check


def objects(name: str, value: Any) -> list[dict[str, Any]]:
    """A list of objects as in a scene's JSON, none if absent. Whether a model knows them is for its handler
    to say; here, that they are flat, few, and nothing but texts, whole numbers and finite numbers.
    """
    value = [] if value is None else value
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Refused(400, f"{name}: a list of objects is needed, as in a downloaded scene")
    if len(value) > MOST_OBJECTS:
        raise Refused(400, f"{name}: {len(value)} objects; at most {MOST_OBJECTS} are read")
    for number, one in enumerate(value, start=1):
        for key, held in one.items():
            if key == "patch" or isinstance(held, str):
                continue
            if type(held) not in (int, float):
                raise Refused(400, f"{name}, object {number}: {key[:40]} is neither a number nor a text")
            if not abs(held) < MOST_NUMBER:
                raise Refused(400, f"{name}, object {number}: {key[:40]} is too large")
    return value
