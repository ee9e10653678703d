"""Connections that say too little, too slowly, or break off."""

import asyncio
import socket
import time
from http.client import HTTPConnection
from urllib.parse import urlsplit

from browser_page import served
from seq2scene.app import connections
from seq2scene.app.server import create_app
from small_labs import small_table

HALF = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "


def closed_after(connection: socket.socket, *pieces: bytes) -> float:
    """Seconds until the server closes a connection on which the pieces are sent, every 0.1 s."""
    start = time.monotonic()
    connection.settimeout(5)
    for piece in pieces:
        connection.sendall(piece)
        time.sleep(0.1)
    assert connection.recv(1) == b""
    return time.monotonic() - start


def test_a_header_must_arrive_in_time_even_if_it_trickles(monkeypatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    with served(small_table()) as address:
        place = urlsplit(address)
        for pieces in ([], [HALF, b"a", b"a"]):
            with socket.create_connection((place.hostname, place.port)) as connection:
                assert 0.4 < closed_after(connection, *pieces) < 4
        again = HTTPConnection(place.netloc)
        for pause in (0, 0.7):  # one that has been answered may stay for longer
            time.sleep(pause)
            again.request("GET", "/api/rooms")
            assert again.getresponse().read()
        assert 0.4 < closed_after(again.sock, HALF, b"a") < 4
        again.close()


def test_a_visitor_who_leaves_while_sending_is_no_fault_of_the_server() -> None:
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {
        **{"type": "http", "method": "POST", "path": "/api/translation/describe", "query_string": b""},
        **{"headers": headers, "http_version": "1.1", "scheme": "http", "root_path": ""},
    }
    sent = []

    async def receive() -> dict:
        return next(messages)

    async def send(message: dict) -> None:
        sent.append(message)

    asyncio.run(create_app(small_table())(scope, receive, send))
    assert sent[0]["status"] == 499
