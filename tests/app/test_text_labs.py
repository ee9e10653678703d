"""The labs of translators answer with what the models do, and refuse what they cannot use."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from seq2scene.app.server import create_app
from seq2scene.app.text_actions import MOST_TEXT, MOST_WORDS
from seq2scene.models.explanation import beam_like
from seq2scene.models.translator import Translator
from small_labs import small_table

TABLE = small_table()
MODEL: Translator = TABLE.loaded["general"]
TEXT = "a c zebra b"


@pytest.fixture(scope="module")
def page() -> Iterator[TestClient]:
    with TestClient(create_app(TABLE), base_url="http://localhost") as client:
        yield client


def ask(page: TestClient, address: str, status: int = 200, **fields) -> dict:
    response = page.post(f"/api/{address}", json={"model": "general", **fields})
    assert response.status_code == status, response.text
    return response.json()


def ids(translation: dict) -> list[int]:
    return [step["id"] for step in translation["steps"]]


def test_each_room_offers_the_models_that_it_is_for(page):
    rooms = {room["name"]: room["models"] for room in page.get("/api/rooms").json()["rooms"]}
    assert rooms["translation"] == ["none", "general", "local_p"]
    assert rooms["attention"] == ["general", "local_p"]
    assert rooms["caption"] == ["captions"]


@pytest.mark.parametrize("name", ["general", "local_p", "none"])
def test_a_translation_is_the_models_own(page, name):
    found = ask(page, "translation/translate", model=name, text=TEXT, size=3)
    model = TABLE.loaded[name]
    own = model.hypotheses([TEXT], search=beam_like(model.search, 3))[0]
    assert [one["log_prob"] for one in found["translations"]] == [round(one.log_prob, 4) for one in own]
    assert [word["known"] for word in found["source"]] == [True, True, False, True]
    assert found["beam"] and all(node["fate"] in ("kept", "ended", "dropped") for node in found["beam"])
    looked = found["translations"][0]["steps"][0]["attention"]
    assert looked is None if name == "none" else len(looked) == 4


def test_a_forced_word_comes_first_in_every_translation(page):
    first = ask(page, "translation/translate", text=TEXT)["translations"][0]["steps"][0]
    other = next(one["id"] for one in first["alternatives"] if one["id"] not in (first["id"], 3))
    forced = ask(page, "translation/translate", text=TEXT, prefix=[other])["translations"]
    assert all(ids(one)[0] == other for one in forced)


def test_no_change_of_attention_changes_nothing(page):
    own = ask(page, "attention/translate", text=TEXT)["translations"][0]
    prefix = ids(own)[:2]
    same = ask(page, "attention/translate", text=TEXT, prefix=prefix)
    assert ask(page, "attention/change", text=TEXT, prefix=prefix) == same


def test_all_attention_on_one_word_is_where_the_model_looks(page):
    changed = ask(page, "attention/change", text=TEXT, weights=[0, 0, 0, 1])["translations"]
    assert all(one["steps"][0]["attention"] == [0, 0, 0, 1] for one in changed)


def test_a_masked_word_is_not_looked_at(page):
    for name in ("general", "local_p"):
        changed = ask(page, "attention/change", model=name, text=TEXT, masked=[1, 2])["translations"][0]
        assert changed["steps"][0]["attention"][1:3] == [0, 0]


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_nothing_is_translated_as_nothing(page, text):
    found = ask(page, "translation/translate", text=text)
    assert found["source"] == [] and found["translations"][0]["text"] == ""


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "'; DROP TABLE words; --",
        "你好 🌍 مرحبا",
        "\u202e\u200b a",  # of which only the letter is seen
        "<unk> <eos> <pad>",
        "a" * MOST_TEXT,
    ],
)
def test_any_text_is_only_text(page, text):
    found = ask(page, "translation/translate", text=text)
    seen = text.translate({0x202E: None, 0x200B: None})
    assert "".join(word["text"] for word in found["source"]) == "".join(seen.split())
    assert len(found["translations"][0]["steps"]) == 5


@pytest.mark.parametrize(
    ("address", "fields", "status", "complaint"),
    [
        ("translation/translate", {"text": "a" * (MOST_TEXT + 1)}, 400, "characters"),
        ("translation/translate", {"text": "a " * (MOST_WORDS + 1)}, 400, f"at most {MOST_WORDS}"),
        ("translation/translate", {"text": "a\x00b"}, 400, "null bytes"),
        ("translation/translate", {"text": ["a"]}, 400, "text"),
        ("translation/translate", {}, 400, "text"),
        ("translation/translate", {"text": "a", "model": "captions"}, 404, "no such model"),
        ("translation/translate", {"text": "a", "size": 9}, 400, "1 to 8"),
        ("translation/translate", {"text": "a", "size": 1e9}, 400, "1 to 8"),
        ("translation/translate", {"text": "a", "normalisation": "__class__"}, 400, "one of"),
        ("translation/translate", {"text": "a", "prefix": "x"}, 400, "list"),
        ("translation/translate", {"text": "a", "prefix": [True]}, 400, "whole numbers"),
        ("translation/translate", {"text": "a", "prefix": [-1]}, 400, "whole numbers"),
        ("translation/translate", {"text": "a", "prefix": [4] * 1000}, 400, "at most"),
        ("translation/translate", {"text": "a", "prefix": [10]}, 400, "not words"),
        ("translation/translate", {"text": "a", "prefix": [0]}, 400, "not words"),
        ("translation/translate", {"text": "a", "prefix": [2, 4]}, 400, "not words"),
        ("translation/translate", {"text": "a", "prefix": [3, 4]}, 400, "not words"),
        ("attention/change", {"text": "a", "model": "none"}, 404, "no such model"),
        ("attention/change", {"text": "a", "prefix": [3]}, 400, "end of the sentence"),
        ("attention/change", {"text": TEXT, "weights": [1, 0]}, 400, "one for each"),
        ("attention/change", {"text": TEXT, "weights": [2, 0, 0, 0]}, 400, "from 0 to 1"),
        ("attention/change", {"text": TEXT, "weights": [None] * 4}, 400, "numbers"),
        ("attention/change", {"text": TEXT, "weights": {}}, 400, "numbers"),
        ("attention/change", {"text": TEXT, "masked": [4]}, 400, "4 positions"),
        ("attention/change", {"text": TEXT, "masked": [-1]}, 400, "whole numbers"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(page, address, fields, status, complaint):
    assert complaint in ask(page, address, status, **fields)["error"]


def test_a_change_for_no_text_is_harmless(page):
    assert ask(page, "attention/change", text="", weights=[])["source"] == []


def test_changing_attention_leaves_the_model_as_it_was(page):
    before = ask(page, "translation/translate", text=TEXT)
    ask(page, "attention/change", text=TEXT, weights=[0, 0, 0, 1])
    ask(page, "attention/change", 400, text=TEXT, weights=[1])
    assert ask(page, "translation/translate", text=TEXT) == before
