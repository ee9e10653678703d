"""Strips: a panel per step, with the words under it shaded by attention."""

import numpy as np
import pytest
from PIL import Image

from seq2scene.plotting.animation import save_animation
from seq2scene.plotting.scene_strip import GAP, PANEL, Step, draw_strip, wrap

RED, GREEN = (200, 0, 0), (0, 160, 0)
WORDS = ["mike", "kicks", "costs", "$5", "and", "$6"]


def picture(colour) -> np.ndarray:
    return np.full((40, 50, 3), colour, dtype=np.uint8)


def where(sheet: np.ndarray, colour) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the pixels of a colour."""
    rows, columns = np.nonzero((sheet == colour).all(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def below(sheet: np.ndarray, colour) -> np.ndarray:
    """The pixels below the panel of a colour."""
    left, _, right, bottom = where(sheet, colour)
    return sheet[bottom:, left:right]


@pytest.mark.parametrize(
    ("panels", "columns", "wide", "tall"), [(1, 4, 1, 1), (4, 4, 4, 1), (5, 4, 4, 2), (7, 2, 2, 4)]
)
def test_panels_are_wrapped_into_rows_of_one_width(panels, columns, wide, tall):
    sheet = draw_strip([Step(picture(RED), "a ball")] * panels, columns=columns)
    assert sheet.shape[1] == GAP + wide * (PANEL + GAP)
    area = (sheet == RED).all(axis=2).sum()
    assert area == panels * PANEL * PANEL * 40 // 50
    one = draw_strip([Step(picture(RED), "a ball")])
    assert (sheet.shape[0] - GAP) == pytest.approx(tall * (one.shape[0] - GAP))


def test_the_true_scene_comes_last():
    sheet = draw_strip([Step(picture(RED), "a ball")], truth=picture(GREEN))
    assert where(sheet, RED)[2] < where(sheet, GREEN)[0]
    assert where(sheet, RED)[1] == where(sheet, GREEN)[1]


def test_the_word_looked_at_is_the_darkest_and_is_where_the_word_stands():
    def ground(weights):
        light = below(draw_strip([Step(picture(RED), "a", weights)], ["one", "two"]), RED).mean(axis=2)
        rows, columns = np.nonzero(light < 80)
        return rows.size, columns.mean() if rows.size else None

    (first_size, first), (second_size, second) = ground([0.9, 0.0]), ground([0.0, 0.9])
    assert min(first_size, second_size) > 200
    assert first < second
    assert ground([0.2, 0.0]) == ground([0.9, 0.0])  # relative to the largest


def test_no_attention_leaves_the_words_out():
    plain = draw_strip([Step(picture(RED), "a")], WORDS)
    assert (below(plain, RED) == 255).all()
    assert (below(draw_strip([Step(picture(RED), "a", [0.0] * 6)], WORDS), RED) < 128).any()


def test_weights_that_are_not_one_for_each_word_are_refused():
    with pytest.raises(AssertionError):
        draw_strip([Step(picture(RED), "a", [0.5, 0.5])], WORDS)


def test_long_titles_headings_and_texts_are_wrapped_and_hide_nothing():
    words = WORDS * 12
    step = Step(picture(RED), "a very long thing, " * 12, [1 / len(words)] * len(words))
    sheet = draw_strip([step, step], words, heading="Mike kicks the ball to Jenny. " * 12)
    assert (sheet == RED).all(axis=2).sum() == 2 * PANEL * PANEL * 40 // 50
    assert (sheet[:, -GAP:] == 255).all()
    assert (sheet[-GAP:] == 255).all()


def test_wrapping_keeps_every_word_in_order():
    lines = wrap(WORDS * 5, 14, 120)
    assert [word for line in lines for word in line] == WORDS * 5
    assert len(lines) > 5
    assert wrap([], 14, 120) == []
    assert wrap(["donaudampfschiff" * 9, "a"], 14, 120) == [["donaudampfschiff" * 9], ["a"]]


def test_an_animation_holds_its_last_picture(tmp_path):
    path = tmp_path / "new" / "steps.gif"
    save_animation(path, [picture(RED), picture(GREEN), picture((0, 0, 255))], milliseconds=200)
    with Image.open(path) as film:
        durations = []
        for frame in range(film.n_frames):
            film.seek(frame)
            durations.append(film.info["duration"])
        assert durations == [200, 200, 600]
        assert film.info["loop"] == 0
        assert film.convert("RGB").getpixel((5, 5)) == (0, 0, 255)
