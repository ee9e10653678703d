"""The page in a browser, as visitors use it: the scene desk by pointer and by keyboard; the labs by keyboard,
on phones, given hostile text and broken photos.
"""

import json
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from browser_page import PHONE, Visit, chromium, served
from seq2scene.app.model_table import ModelTable, read_offers
from small_labs import small_table
from small_page_models import write_checkpoints

pytestmark = pytest.mark.slow

SUN = {"class": "s_3", "x": 90, "y": 60, "size": 1, "flip": 0}
MIKE = {"class": "hb0", "x": 203, "y": 285, "size": 0, "flip": 0, "pose": 0, "expression": 2}
DUCK = {"class": "a_5", "x": 203, "y": 285, "size": 2, "flip": 0}
HOTDOG = {"class": "e_2", "x": 253, "y": 267, "size": 0, "flip": 1}
TEXT = "Mike holds a hotdog."
HOSTILE = "a <img src=x onerror=document.title='broken'> c"


def until(page, condition: str, arg: object = None) -> None:
    """Waits for a condition in JavaScript. Playwright's own ``wait_for_function`` is stopped by the page's
    Content-Security-Policy if the condition does not hold at once.
    """
    end = time.monotonic() + 60
    while not page.evaluate(condition, arg):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(20)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with chromium() as found:
        yield found


# The scene desk


@pytest.fixture(scope="module")
def desk(browser, tmp_path_factory) -> Iterator[Visit]:
    folder = tmp_path_factory.mktemp("browser")
    paths = write_checkpoints(folder, {"scene": folder})
    with served(ModelTable(read_offers(paths))) as address:
        visit = Visit(browser, address, color_scheme="light")
        visit.page.wait_for_selector(".object")
        yield visit


@pytest.fixture
def page(desk: Visit):
    return desk.page


def load(page, *objects: dict) -> None:
    page.evaluate("document.querySelector('.facts-list').replaceChildren()")  # what ``hold`` waits for is new
    content = json.dumps({"sentences": [TEXT], "objects": objects}).encode()
    page.set_input_files("input[type=file]", {"name": "s.json", "mimeType": "", "buffer": content})


def hold(page, *marks: bool) -> None:
    """Waits for the facts of the text to be marked like this."""
    until(
        page,
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
    until(page, "() => document.querySelector('.words .text')?.textContent.startsWith('jenny is sad')")
    until(page, "() => document.querySelectorAll('.object').length >= 4")  # played to the end
    page.get_by_label("Step", exact=True).press("Home")
    assert objects(page).count() == 0
    page.get_by_label("Step", exact=True).press("ArrowRight")
    assert objects(page).count() == 1
    shares = page.locator(".words .text span").evaluate_all(
        "all => all.map(e => e.style.getPropertyValue('--share'))"
    )
    assert "1.000" in shares


def test_labels_of_boxes_cover_no_other_label_and_stay_on_the_canvas(page) -> None:
    found = page.evaluate(
        """async () => {
            const { boxes } = await import("/static/scenes/boxes.js");
            const titles = ["boy", "storm cloud", "wizard's hat", "sky", "a class with a very long name"];
            const kinds = new Map(titles.map((title) => [title, { title, heads: [] }]));
            const crowd = [...Array(40).keys()].map((n) => ({
                class: titles[n % 5],
                x: n * 7 % 10 / 10,
                y: n % 4 / 3,
                width: 0.05 + n / 50,
                height: 0.05,
            }));
            return boxes.places(crowd, { kinds });
        }"""
    )
    assert all(0 <= one["x"] <= 400 - one["width"] and 0 <= one["y"] <= 400 - one["height"] for one in found)
    for number, one in enumerate(found):
        for other in found[:number]:
            apart = [abs(one["y"] - other["y"]) >= 15]
            apart += [a["x"] >= b["x"] + b["width"] for a, b in ((one, other), (other, one))]
            assert any(apart), (one, other)


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
    hold(page, True, True, True)


def test_objects_are_changed_by_keyboard(page) -> None:
    load(page, SUN, MIKE, HOTDOG)
    hold(page, True, True, True)
    hotdog = page.locator("[data-number='2']")
    for _ in range(4):
        hotdog.press("Shift+ArrowRight")  # focuses it first: what is checked meanwhile is drawn anew
    hold(page, True, True, False)
    hotdog.press("Delete")
    hold(page, True, False, False)
    assert objects(page).count() == 2
    page.locator("[data-number='1']").press("Enter")
    page.get_by_role("button", name="sad", exact=True).click()
    page.wait_for_selector("[aria-label='Mike, near, facing right, arms out, sad']")


def test_keys_that_come_faster_than_the_scene_is_drawn_all_count(page) -> None:
    load(page, SUN, MIKE, HOTDOG)
    hold(page, True, True, True)
    page.locator("[data-number='2']").evaluate(
        """hotdog => {
            const pressed = { key: "ArrowRight", shiftKey: true, bubbles: true };
            for (let n = 0; n < 4; n++) hotdog.dispatchEvent(new KeyboardEvent("keydown", pressed));
        }"""
    )
    hold(page, True, True, False)
    moved = json.loads(saved(page, "JSON"))["objects"]
    assert [one["x"] for one in moved if one["class"] == "e_2"] == [HOTDOG["x"] + 4 * 20]


def test_keys_change_the_object_that_has_the_focus_not_the_one_picked_last(page) -> None:
    load(page, SUN, MIKE, {**HOTDOG, "flip": 0})
    hold(page, True, True, True)
    page.locator("[data-number='2']").press("f")  # now picked, and turned
    page.locator("[data-number='1']").press("f")
    until(
        page,
        "() => document.querySelector('[data-number=\"1\"]').getAttribute('aria-label').includes('left')",
    )
    turned = {one["class"]: one["flip"] for one in json.loads(saved(page, "JSON"))["objects"]}
    assert (turned["hb0"], turned["e_2"]) == (1, 1)


def test_the_model_goes_on_and_things_are_added(page) -> None:
    load(page, SUN, MIKE, HOTDOG)
    hold(page, True, True, True)
    page.get_by_text("Add an object").click()
    page.get_by_label("Add dog", exact=True).click()
    until(page, "() => document.querySelectorAll('.object').length === 4")
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
    """The duck, which is placed after Mike, lies behind him, as it is farther away."""
    load(page, SUN, MIKE, DUCK, HOTDOG)
    hold(page, True, True, True)
    page.keyboard.press("Escape")
    assert json.loads(saved(page, "JSON"))["objects"] == [SUN, MIKE, DUCK, HOTDOG]
    assert Image.open(BytesIO(saved(page, "GIF"))).n_frames == 5
    numbers = page.locator(".object").evaluate_all("all => all.map(one => one.dataset.number)")
    assert numbers == ["0", "2", "1", "3"]
    png = Image.open(BytesIO(saved(page, "PNG")))
    shot = Image.open(BytesIO(page.locator(".stage").screenshot(animations="disabled"))).convert("RGB")
    there = np.asarray(png.resize(shot.size, Image.Resampling.BOX), dtype=float)[8:-8, 8:-8]
    assert np.abs(there - np.asarray(shot, dtype=float)[8:-8, 8:-8]).mean() < 4


def test_four_variants_are_there_to_choose_from(page) -> None:
    page.get_by_text("Four variants").click()
    until(page, "() => document.querySelectorAll('.samples button').length === 4")
    page.locator(".samples button").nth(2).click()
    assert page.locator(".samples [aria-pressed=true]").count() == 1


def test_foreign_scenes_are_refused_by_name_and_markup_is_text(desk, page) -> None:
    load(page, {"class": "<img src=x onerror=alert(1)>", "x": 1, "y": 1})
    page.wait_for_selector(".status[data-kind=error]")
    assert "class=<img src=x onerror=alert(1)>: this model has no such class" in page.inner_text(".status")
    desk.faults[:] = [one for one in desk.faults if "400" not in one]
    page.get_by_label("Sentences").fill("<script>alert(1)</script> Jenny is sad.")
    page.get_by_label("Sentences").press("Enter")
    page.wait_for_selector(".hint >> text=Unknown to the model")
    assert page.locator("main script, main img[src=x]").count() == 0


def test_an_error_stays_when_something_else_succeeds(desk, page) -> None:
    """The facts of a change are checked while a foreign scene is refused, and are there after it."""
    load(page, SUN, MIKE, HOTDOG)
    hold(page, True, True, True)
    held = []
    page.route("**/api/scene/check", lambda route: held.append(route), times=1)
    hotdog = page.locator("[data-number='2']")
    hotdog.press("Delete")
    load(page, {"class": "nobody", "x": 1, "y": 1})
    page.wait_for_selector(".status[data-kind=error]")
    held[0].continue_()
    hold(page, True, False, False)
    assert "class=nobody: this model has no such class" in page.inner_text(".status")
    desk.faults[:] = [one for one in desk.faults if "400" not in one]


def test_a_page_told_to_wait_says_so_and_asks_again(desk, page) -> None:
    def busy(route) -> None:
        route.fulfill(status=503, headers={"Retry-After": "3"}, json={"error": "others are waiting"})

    page.route("**/api/scene/write", busy, times=1)
    page.get_by_text("Draw", exact=True).click()
    page.wait_for_selector(".status >> text=asks again in 3 s")
    until(page, "() => document.querySelector('.status').textContent === ''")
    desk.faults[:] = [one for one in desk.faults if "503" not in one]


def test_the_attention_of_a_scene_is_changed_by_hand(page) -> None:
    page.goto(f"{page.url.partition('#')[0]}#attention")
    page.get_by_role("button", name="Mask mike").click()
    page.get_by_text("with yours").wait_for()
    assert page.locator(".outcomes svg").count() == 2
    assert page.get_by_label("Weight of mike").input_value() == "0"
    page.get_by_role("button", name="Restore").click()
    assert page.locator(".outcomes svg").count() == 1
    page.goto(f"{page.url.partition('#')[0]}#scene")


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


def test_nothing_failed_and_nothing_was_asked_elsewhere(desk) -> None:
    assert desk.faults == []


# The labs


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(small_table()) as found:
        yield found


def lit(word) -> float:
    return float(word.evaluate("word => word.style.getPropertyValue('--lit') || 0"))


def test_the_translation_lab(browser, address):
    visit = Visit(browser, f"{address}#translation", viewport=PHONE)
    page = visit.page
    page.get_by_role("button", name="no attention").click()
    assert page.locator("article.lab").count() == 1
    card = page.locator("article.lab").first
    field = page.get_by_role("textbox")
    field.fill(HOSTILE)
    field.press("Enter")
    source = card.get_by_label("Source").locator(".token")
    source.filter(has_text="<img").wait_for()  # not those of the sentence before
    assert source.all_inner_texts()[1].startswith("<img") and page.locator("main img").count() == 0
    assert card.locator(".unknown").first.is_visible() and card.get_by_text("not among").is_visible()

    words = card.get_by_label("Translation").locator(".token")
    words.nth(1).focus()
    shares = [lit(source.nth(at)) for at in range(source.count())]
    assert sum(shares) == pytest.approx(1, abs=0.01) and lit(words.nth(1)) == 1
    source.nth(0).focus()
    assert lit(source.nth(0)) == 1 and lit(words.nth(1)) == pytest.approx(shares[0])
    assert card.locator(".matrix .cell").count() == source.count() * words.count()

    words.nth(0).press("Enter")
    other = card.locator(".choice[aria-pressed=false]", has_not_text="end of sentence").first
    name = other.locator(".name").inner_text()
    other.press("Enter")
    card.get_by_text("The first word is given.").wait_for()
    assert words.nth(0).inner_text() == name
    card.get_by_role("button", name="Let the model choose again").click()
    card.get_by_text("The first word is given.").wait_for(state="detached")

    card.locator("summary").press("Enter")
    card.locator(".node[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    assert "probability" in card.locator(".tell").inner_text()
    assert card.locator(".node:focus").count() == 1 and card.locator(".node.traced").count() == 2
    assert visit.fits() and visit.faults == []
    assert page.title().startswith("Translation")


def test_the_attention_lab(browser, address):
    visit = Visit(browser, f"{address}#attention", color_scheme="dark")
    page = visit.page
    page.get_by_role("textbox").fill("a b c")
    page.get_by_role("button", name="Translate").click()
    sliders = page.get_by_role("slider")
    until(page, "document.querySelectorAll('.weigh').length === 3")
    page.locator(".target .token").first.press("Enter")
    values = lambda: [int(sliders.nth(at).input_value()) for at in range(3)]  # noqa: E731
    own = values()
    assert sum(own) == pytest.approx(100, abs=2)

    page.get_by_role("button", name="Move all attention to b").press("Enter")
    assert values() == [0, 100, 0]
    page.get_by_text("with yours").wait_for()
    sliders.nth(2).press("PageUp")
    assert values()[2] > 0 and sum(values()) == pytest.approx(100, abs=2)
    page.get_by_role("button", name="Mask a").press("Enter")
    until(page, "document.querySelector('.weigh input').value === '0'")
    assert page.get_by_role("button", name="Mask a").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Flatten").press("Enter")
    assert values() == [33, 33, 33]
    page.get_by_role("button", name="Restore").press("Enter")
    assert values() == own and page.get_by_text("with yours").count() == 0
    page.set_viewport_size(PHONE)
    assert visit.fits() and visit.faults == []


def test_the_caption_lab(browser, address):
    visit = Visit(browser, f"{address}#caption", viewport=PHONE)
    page = visit.page
    words = page.locator(".spelled .token")
    words.first.wait_for()
    buffer = BytesIO()
    Image.new("RGB", (900, 300), "teal").save(buffer, "PNG")
    before = page.locator(".gaze img").get_attribute("src")
    page.locator("input[type=file]").set_input_files(
        {"name": "teal.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    )
    until(page, "old => document.querySelector('.gaze img').src !== old", arg=before)

    shade = "Math.max(...veil.getContext('2d').getImageData(0, 0, veil.width, veil.height).data)"
    dimmed = lambda: page.locator(".gaze canvas").evaluate(f"veil => {shade}")  # noqa: E731
    assert dimmed() == 0
    words.nth(1).press("Enter")
    assert words.nth(1).get_attribute("aria-pressed") == "true" and dimmed() > 0
    page.get_by_role("slider", name="Word by word").press("Home")
    page.get_by_role("slider", name="Word by word").press("ArrowRight")
    assert words.nth(0).get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Play").press("Enter")
    assert words.nth(1).get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Pause").press("Enter")
    page.locator(".ranked button").nth(1).press("Enter")
    assert page.locator(".ranked button").nth(1).get_attribute("aria-pressed") == "true"

    page.locator("input[type=file]").set_input_files(
        {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff\xe0 no photo"}
    )
    page.get_by_text("not a photo that your browser can read").wait_for()
    assert visit.fits() and visit.faults == []
