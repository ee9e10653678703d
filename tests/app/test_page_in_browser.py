"""The page in a real browser: what a visitor does at the scene desk, by pointer and by keyboard."""

import json
import shutil
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from PIL import Image

from seq2scene.app.model_table import ModelTable, read_offers
from seq2scene.app.server import create_app
from small_page_models import write_checkpoints

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
pytestmark = pytest.mark.slow

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
FLAGS += ("--disable-background-networking", "--disable-component-update", "--disable-sync")
PATIENCE = 60_000  # milliseconds

SUN = {"class": "s_3", "x": 90, "y": 60, "size": 1, "flip": 0}
MIKE = {"class": "hb0", "x": 203, "y": 285, "size": 0, "flip": 0, "pose": 0, "expression": 2}
HOTDOG = {"class": "e_2", "x": 253, "y": 267, "size": 0, "flip": 1}
TEXT = "Mike holds a hotdog."


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    paths = write_checkpoints(tmp_path_factory.mktemp("browser"), "scene")
    config = uvicorn.Config(create_app(ModelTable(read_offers(paths))), port=0, log_level="error")
    server, listening = uvicorn.Server(config), config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def page(address: str, tmp_path_factory) -> Iterator["playwright.Page"]:
    if BROWSER is None:
        pytest.skip("needs chromium")
    with playwright.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("user"), executable_path=BROWSER, args=list(FLAGS), color_scheme="light"
        )
        context.set_default_timeout(PATIENCE)
        page = context.pages[0]
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda said: said.type == "error" and page.faults.append(said.text))
        page.on("dialog", lambda dialog: page.faults.append(dialog.message))
        page.on("request", lambda r: r.url.startswith(("blob:", address)) or page.faults.append(r.url))
        page.goto(address)
        page.wait_for_selector(".object")
        yield page
        context.close()


def load(page, *objects: dict) -> None:
    content = json.dumps({"sentences": [TEXT], "objects": objects}).encode()
    page.set_input_files("input[type=file]", {"name": "s.json", "mimeType": "", "buffer": content})


def hold(page, *marks: bool) -> None:
    """Waits for the facts of the text to be marked like this."""
    page.wait_for_function(
        "wanted => [...document.querySelectorAll('.facts li span')].map(e => e.innerText).join('') == wanted",
        arg="".join("✓" if mark else "✗" for mark in marks),
    )


def objects(page):
    return page.locator(".object")


def saved(page, name: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_label(f"Download {name}").click()
    return Path(download.value.path()).read_bytes()


def drag(page, number: int, right: float) -> None:
    box = page.locator(f"[data-number='{number}']").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right, y, steps=3)
    page.mouse.up()


def test_a_typed_text_is_drawn_step_by_step(page) -> None:
    page.get_by_label("Sentences").fill("Jenny is sad.")
    page.get_by_label("Sentences").press("Enter")
    page.wait_for_function(
        "() => document.querySelector('.words .text')?.textContent.startsWith('jenny is sad')"
    )
    page.wait_for_function("() => document.querySelectorAll('.object').length >= 4")  # played to the end
    page.get_by_label("Step", exact=True).press("Home")
    assert objects(page).count() == 0
    page.get_by_label("Step", exact=True).press("ArrowRight")
    assert objects(page).count() == 1
    shares = page.locator(".words .text span").evaluate_all(
        "all => all.map(e => e.style.getPropertyValue('--share'))"
    )
    assert "1.000" in shares


def test_what_is_dragged_away_is_no_longer_held_until_it_is_undone(page) -> None:
    load(page, SUN, MIKE, HOTDOG)
    hold(page, True, True, True)
    drag(page, 2, 150)
    hold(page, True, True, False)
    page.get_by_role("button", name="Undo").click()
    hold(page, True, True, True)
    page.get_by_role("button", name="Redo").click()
    hold(page, True, True, False)
    page.get_by_role("button", name="Undo").click()


def test_objects_are_changed_by_keyboard(page) -> None:
    load(page, SUN, MIKE, HOTDOG)
    hold(page, True, True, True)
    page.locator("[data-number='2']").focus()
    for _ in range(4):
        page.keyboard.press("Shift+ArrowRight")
    hold(page, True, True, False)
    page.keyboard.press("Delete")
    hold(page, True, False, False)
    assert objects(page).count() == 2
    page.locator("[data-number='1']").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="sad", exact=True).click()
    page.wait_for_selector("[aria-label='Mike, near, facing right, arms out, sad']")


def test_the_model_goes_on_and_things_are_added(page) -> None:
    load(page, SUN, MIKE, HOTDOG)
    hold(page, True, True, True)
    page.get_by_text("Add an object").click()
    page.get_by_label("Add dog", exact=True).click()
    page.wait_for_function("() => document.querySelectorAll('.object').length === 4")
    page.get_by_label("Sentences").fill("Jenny is sad. Jenny is next to the tree.")
    page.get_by_text("Go on from here").click()
    page.wait_for_selector(".object.fresh", state="attached")
    assert {one["class"] for one in json.loads(saved(page, "JSON"))["objects"]} >= {
        "s_3",
        "hb0",
        "e_2",
        "a_2",
    }


def test_downloads_show_what_the_page_shows(page) -> None:
    load(page, SUN, MIKE, HOTDOG)
    hold(page, True, True, True)
    page.keyboard.press("Escape")
    assert json.loads(saved(page, "JSON"))["objects"] == [SUN, MIKE, HOTDOG]
    assert Image.open(BytesIO(saved(page, "GIF"))).n_frames == 4
    png = Image.open(BytesIO(saved(page, "PNG")))
    shot = Image.open(BytesIO(page.locator(".stage").screenshot(animations="disabled"))).convert("RGB")
    there = np.asarray(png.resize(shot.size, Image.Resampling.BOX), dtype=float)[8:-8, 8:-8]
    assert np.abs(there - np.asarray(shot, dtype=float)[8:-8, 8:-8]).mean() < 4


def test_four_variants_are_there_to_choose_from(page) -> None:
    page.get_by_text("Four variants").click()
    page.wait_for_function("() => document.querySelectorAll('.samples button').length === 4")
    page.locator(".samples button").nth(2).click()
    assert page.locator(".samples [aria-pressed=true]").count() == 1


def test_foreign_scenes_are_refused_by_name_and_markup_is_text(page) -> None:
    load(page, {"class": "<img src=x onerror=alert(1)>", "x": 1, "y": 1})
    page.wait_for_selector(".status[data-kind=error]")
    assert "class=<img src=x onerror=alert(1)>: this model has no such class" in page.inner_text(".status")
    page.faults[:] = [one for one in page.faults if "400" not in one]
    page.get_by_label("Sentences").fill("<script>alert(1)</script> Jenny is sad.")
    page.get_by_label("Sentences").press("Enter")
    page.wait_for_selector(".hint >> text=Unknown to the model")
    assert page.locator("main script, main img[src=x]").count() == 0


def test_a_page_told_to_wait_says_so_and_asks_again(page) -> None:
    def busy(route) -> None:
        route.fulfill(status=503, headers={"Retry-After": "1"}, json={"error": "others are waiting"})

    page.route("**/api/scene/write", busy, times=1)
    page.get_by_text("Draw", exact=True).click()
    page.wait_for_selector(".status >> text=asks again in 1 s")
    page.wait_for_function("() => document.querySelector('.status').textContent === ''")
    page.faults[:] = [one for one in page.faults if "503" not in one]


def test_light_and_dark_are_remembered_and_phones_need_no_sideways_scrolling(page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_label("Light or dark").click()
    assert page.evaluate(ground) != light
    page.set_viewport_size({"width": 360, "height": 720})
    page.reload()
    page.wait_for_selector(".object")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_nothing_failed_and_nothing_was_asked_elsewhere(page) -> None:
    assert page.faults == []
