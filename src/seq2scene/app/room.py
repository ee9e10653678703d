"""The parts a room of the page is made of. A room is one Python file of handlers and one JavaScript module,
``static/rooms/NAME.js``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seq2scene.app.model_table import Offer
from seq2scene.app.requests import Fields
from seq2scene.models.model import Model


@dataclass(frozen=True)
class File:
    """A response that is not JSON. name: offered for saving; None: shown, and cached by the browser."""

    content: bytes
    media_type: str
    name: str | None = None


@dataclass(frozen=True)
class Action:
    """What a room does for ``POST /api/ROOM/ACTION``.

    run: called with the checked ``fields`` as keywords, in the worker's thread; returns plain containers or a
    File. It may raise UserError, which visitors read. fields: each with its check; an ``OfModel`` arrives as
    the model.
    """

    run: Callable[..., dict[str, Any] | File]
    fields: Fields


@dataclass(frozen=True)
class Room:
    """name: in addresses. title: on the page. accepts: which models it is for; a room without a model is not
    shown. actions: by name. picture: for ``GET /pictures/ROOM/MODEL/NAME.png``, the picture called NAME, or
    None if there is none; must be quick and work in any thread.
    """

    name: str
    title: str
    accepts: Callable[[Offer], bool]
    actions: Mapping[str, Action]
    picture: Callable[[Model, str], File | None] | None = None
