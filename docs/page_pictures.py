"""The pictures of the page in this folder, from a page of the models that ship:

    python src/demo.py port=8000
    python docs/page_pictures.py http://127.0.0.1:8000/ [NAME...]

NAME: page_scene, for instance; all if none is given.
"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
PATIENCE, PAUSE = 120_000, 5_000  # milliseconds: until an element is there, until a picture is taken
SIZE = {"width": 1200, "height": 700}
PHONE = {"width": 390, "height": 844}
SCENE = "Mike is happy and holds a hotdog. Jenny is kicking the ball. An owl is in the tree."


def draw(page: Page, text: str = SCENE) -> None:
    page.get_by_label("Sentences").fill(text)
    page.get_by_role("button", name="Draw", exact=True).click()
    page.get_by_label("Pause", exact=True).wait_for()  # the scene is played, object by object
    page.get_by_label("Play", exact=True).wait_for()


def step(page: Page, word: str) -> None:
    page.get_by_role("group", name="Steps").get_by_role("button", name=word, exact=True).click()


def scene(page: Page) -> None:
    draw(page)


def scene_dark(page: Page) -> None:
    draw(page)
    page.get_by_role("button", name="Jenny, ").first.press("Enter")


def composite(page: Page) -> None:
    draw(page, "The boy is near the tree.")
    page.locator(".object[aria-label^=tree]").first.press("Enter")


def translation(page: Page) -> None:
    page.locator("article.lab summary").first.click()


def attention(page: Page) -> None:
    page.get_by_label("Model").select_option("park-de-general")
    step(page, "hält")
    page.get_by_role("button", name="Move all attention to happy").click()


def scene_attention(page: Page) -> None:
    page.get_by_role("textbox").fill(SCENE)
    page.get_by_label("Model").select_option("park-scene")
    step(page, "hot dog")
    page.get_by_role("button", name="Mask hotdog").click()


def caption(page: Page) -> None:
    page.locator(".spelled .token", has_text="ball").first.click()


PICTURES: dict[str, tuple[str, Callable[[Page], None], dict[str, object]]] = {
    "page_scene": ("scene", scene, {"color_scheme": "light"}),
    "page_scene_dark": ("scene", scene_dark, {"color_scheme": "dark"}),
    "page_phone": ("scene", scene, {"color_scheme": "dark", "viewport": PHONE}),
    "page_composite": ("composite", composite, {}),
    "page_translation": ("translation", translation, {}),
    "page_attention": ("attention", attention, {}),
    "page_scene_attention": ("attention", scene_attention, {}),
    "page_caption": ("caption", caption, {}),
}


def main(address: str, *names: str) -> None:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=list(FLAGS))
        for name in names or PICTURES:
            room, prepare, options = PICTURES[name]
            page = browser.new_page(**{"viewport": SIZE, **options})
            page.set_default_timeout(PATIENCE)
            page.goto(f"{address}#{room}")
            page.locator(".object, .token, article.lab").first.wait_for()  # its first answer
            prepare(page)
            page.wait_for_timeout(PAUSE)
            page.screenshot(path=HERE / f"{name}.png", full_page="phone" not in name)
            page.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
