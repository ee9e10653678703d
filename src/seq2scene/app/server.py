"""The page's server: static files, the rooms' actions and pictures, models at work one after another."""

import gc
import os
import sys
import webbrowser
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from socket import AF_INET, AF_INET6, create_server, gethostname, socket
from typing import Any

import torch
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from seq2scene.app.connections import ImpatientProtocol
from seq2scene.app.guard import LOCAL, Guard, is_loopback
from seq2scene.app.model_table import ModelTable, read_offers
from seq2scene.app.requests import OfModel, Refused, checked, read_body
from seq2scene.app.room import Action, File, Room
from seq2scene.app.rooms import ROOMS
from seq2scene.app.worker import Busy, Left, Worker
from seq2scene.errors import UserError
from seq2scene.json_text import to_json

STATIC = Path(__file__).parent / "static"
BACKLOG = 2048  # connections that the system holds until they are accepted
MOST_CONNECTIONS = 256  # besides those that wait their turn
LONGEST_MESSAGE = 600  # characters; what visitors sent may be in it


def create_app(
    models: ModelTable,
    worker: Worker | None = None,
    hosts: tuple[str, ...] | None = LOCAL,
    rooms: Sequence[Room] = ROOMS,
) -> Starlette:
    """The page as an ASGI application.

    models: what it offers; the first room's first model is loaded as soon as the application starts, others
    when they are used. worker: in which models work. hosts: names under which it may be reached; None: any.
    """
    worker = worker or Worker()
    open_rooms = {room.name: (room, _fitting(room, models)) for room in rooms if _fitting(room, models)}

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if open_rooms:
            names = next(iter(open_rooms.values()))[1]
            worker.submit(partial(models.load, names[0]))
        yield
        worker.close()

    async def index(_: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def list_rooms(_: Request) -> Response:
        listed = [
            {"name": room.name, "title": room.title, "models": names, "others": _others(room, models)}
            for room, names in open_rooms.values()
        ]
        return _json({"rooms": listed})

    async def act(request: Request) -> Response:
        room, _ = _find(open_rooms, request.path_params["room"])
        action = _find(room.actions, request.path_params["action"])
        values = checked(await read_body(request), action.fields, models.offers)
        found = await worker.run(partial(_run, action, values, models), partial(_gone, request))
        return _file(found) if isinstance(found, File) else _json(found)

    async def picture(request: Request) -> Response:
        room, names = _find(open_rooms, request.path_params["room"])
        model = request.path_params["model"]
        if room.picture is None or model not in names:
            raise Refused(404, "there is no such picture")
        if model not in models.loaded:
            await worker.run(partial(models.load, model))
        found = await run_in_threadpool(room.picture, models.loaded[model], request.path_params["name"])
        if found is None:
            raise Refused(404, "there is no such picture")
        return _file(found)

    app = Starlette(
        routes=[
            Route("/", index),
            Route("/api/rooms", list_rooms),
            Route("/api/{room}/{action}", act, methods=["POST"]),
            Route("/pictures/{room}/{model}/{name}.png", picture),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={
            Refused: _refused,
            UserError: _refused,
            Busy: _busy,
            Left: _left,
            ClientDisconnect: _left,
            Exception: _failed,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


def serve(
    models: str | Sequence[str] | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    waiting: int = 32,
    seconds: float = 60.0,
    threads: int | None = None,
    cache: Path | None = None,
    open_browser: bool = False,
) -> None:
    """Serves the page until it is interrupted.

    models: see ``read_offers``. waiting, seconds: see ``Worker``. threads: of PyTorch; None: its own
    choice. cache: where indices of patches are stored. open_browser: also open the page, if there is a
    display.

    Raises UserError if there is no model, one cannot be read, or the port is taken.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    table = ModelTable(read_offers(models), cache)
    local = is_loopback(host)
    if not local:
        print(f"warning: host={host}: everybody who reaches this machine can use the page", file=sys.stderr)
    app = create_app(table, Worker(waiting, seconds), LOCAL if local else None)
    listening = _listen(host, port)
    address = f"http://{_name(host)}:{listening.getsockname()[1]}/"
    print(f"{address} (Ctrl-C ends it)", flush=True)
    if open_browser and _has_display():
        webbrowser.open(address)
    gc.freeze()  # or PyTorch's objects would be gone through again and again, and for a second at the end
    uvicorn.Server(server_config(app, waiting)).run(sockets=[listening])


def _listen(host: str, port: int) -> socket:
    """A socket that listens. Raises UserError."""
    if not isinstance(port, int) or not 0 <= port < 2**16:
        raise UserError(f"port={port}: a whole number from 0 to {2**16 - 1} is needed")
    try:
        return create_server((host, port), family=AF_INET6 if ":" in host else AF_INET, backlog=BACKLOG)
    except OSError as error:
        reason = str(error.strerror).split(" (")[0]
        raise UserError(
            f"port={port}: it cannot be used on {host} ({reason}); give another, or port=0"
        ) from None


def _name(host: str) -> str:
    """``host`` as in an address; this machine's name for all of its interfaces."""
    if host in ("0.0.0.0", "::"):
        return gethostname()
    return f"[{host}]" if ":" in host else host


def _has_display() -> bool:
    """Whether a browser has a place to open: without one, Python starts those that run in a terminal."""
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


def server_config(app: Starlette, waiting: int = 32) -> uvicorn.Config:
    """How the page is served; see ``serve``."""
    return uvicorn.Config(
        app,
        http=ImpatientProtocol,
        ws="none",
        limit_concurrency=MOST_CONNECTIONS + waiting,
        timeout_keep_alive=15,
        log_level="error",
        access_log=False,
        server_header=False,
    )


def _fitting(room: Room, models: ModelTable) -> list[str]:
    return [offer.name for offer in models.offers.values() if room.accepts(offer)]


def _others(room: Room, models: ModelTable) -> dict[str, list[str]]:
    """The models that a room's actions take besides its own, by field."""
    taken = {name: check for action in room.actions.values() for name, check in action.fields.items()}
    return {
        name: [offer.name for offer in models.offers.values() if check.accepts(offer)]
        for name, check in taken.items()
        if isinstance(check, OfModel) and name != "model"
    }


def _find(among: Any, name: str) -> Any:
    if name not in among:
        raise Refused(404, "there is no such address")
    return among[name]


def _run(action: Action, values: dict[str, Any], models: ModelTable) -> dict[str, Any] | File:
    """An action with its models, loaded if need be; in the worker's thread."""
    named = [name for name, check in action.fields.items() if isinstance(check, OfModel)]
    loaded = {name: None if values[name] is None else models.load(values[name]) for name in named}
    return action.run(**{**values, **loaded})


async def _gone(request: Request) -> None:
    """Returns when the visitor has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        to_json(content, ensure_ascii=False),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        "application/json",
    )


def _file(file: File) -> Response:
    if file.name is None:
        headers = {"Cache-Control": "private, max-age=3600"}
    else:
        headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{file.name}"'}
    return Response(file.content, headers=headers, media_type=file.media_type)


async def _refused(_: Request, error: Exception) -> Response:
    message = str(error)
    if len(message) > LONGEST_MESSAGE:
        message = f"{message[:LONGEST_MESSAGE]} …"
    return _json({"error": message}, getattr(error, "status", 400))


async def _busy(_: Request, error: Exception) -> Response:
    assert isinstance(error, Busy)
    return _json({"error": str(error)}, 503, {"Retry-After": str(error.seconds)})


async def _left(_: Request, __: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it


async def _failed(_: Request, __: Exception) -> Response:
    return _json({"error": "the server failed; its terminal says why"}, 500)
