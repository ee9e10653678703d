"""The labs as visitors use them: driven by the keyboard, on phones, given hostile text and broken photos."""

from collections.abc import Iterator
from io import BytesIO

import pytest
from PIL import Image

from browser_page import PHONE, Visit, chromium, served
from small_labs import small_table

pytestmark = pytest.mark.slow

HOSTILE = "a <img src=x onerror=document.title='broken'> c"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(small_table()) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with chromium() as found:
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
    source.nth(6).wait_for()
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
    page.wait_for_function("document.querySelectorAll('.weigh').length === 3")
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
    page.wait_for_function("document.querySelector('.weigh input').value === '0'")
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
    page.wait_for_function("old => document.querySelector('.gaze img').src !== old", arg=before)

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
