"""The page in a headless browser."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from socket import create_server

import pytest
import uvicorn

from seq2scene.app.model_table import ModelTable
from seq2scene.app.server import create_app, server_config

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
PATIENCE = 60_000  # milliseconds
PHONE = {"width": 390, "height": 844}


@contextmanager
def served(table: ModelTable) -> Iterator[str]:
    """The address of a page of these models."""
    server = uvicorn.Server(server_config(create_app(table)))
    listening = create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def chromium() -> Iterator["Browser"]:  # noqa: F821
    """A browser. Skips the test where none is installed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("needs chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A tab. faults: errors in code, forbidden content, failed requests, dialogs, and requests to anybody but
    the page.
    """

    def __init__(self, browser: "Browser", address: str, **options) -> None:  # noqa: F821
        self.page = browser.new_page(**options)
        self.page.set_default_timeout(PATIENCE)
        self.faults: list[str] = []
        own = (address.partition("#")[0], "blob:", "data:")
        note = self.faults.append
        self.page.on("pageerror", lambda error: note(str(error)))
        self.page.on("console", lambda said: said.type == "error" and note(said.text))
        self.page.on("dialog", lambda dialog: note(dialog.message))
        self.page.on("request", lambda request: request.url.startswith(own) or note(request.url))
        self.page.goto(address)

    def fits(self) -> bool:
        """Whether nothing sticks out at the side."""
        return self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
