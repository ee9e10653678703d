"""Tables that people write, and the shares of them that are held out."""

import json
from pathlib import Path

import numpy as np
import pytest

from seq2scene.data.held_out import hold_out
from seq2scene.data.tables import read_rows
from seq2scene.errors import UserError

ROWS = [{"image": "a.jpg", "caption": "A dog, a cat."}, {"image": "b/c.jpg", "caption": "Un café"}]


@pytest.mark.parametrize(
    "text",
    [
        'image,caption\na.jpg,"A dog, a cat."\n\nb/c.jpg,Un café\n',
        "\ufeffImage; Caption\r\na.jpg;A dog, a cat.\r\nb/c.jpg;Un café\r\n;\r\n",
        "image\tcaption\na.jpg\tA dog, a cat.\nb/c.jpg\tUn café",
        "\n".join(map(json.dumps, ROWS)),
        json.dumps(ROWS, indent=1),
    ],
    ids=["commas", "semicolons", "tabs", "JSON lines", "JSON"],
)
def test_all_kinds_of_tables_have_the_same_rows(tmp_path: Path, text: str) -> None:
    (tmp_path / "table").write_text(text, encoding="utf-8")
    assert [row.values for row in read_rows(tmp_path / "table")] == ROWS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a table without a row"),
        ("image,caption\n", "a table without a row"),
        ("image,caption\na,b,c\n", "line 2: a row of 3 fields under a header of 2; a text with ',' in it"),
        ("image,caption\na\n", "line 2: a row of 1 fields"),
        ('image,caption\na,b\nc,"d\n', "line 3: not CSV"),
        ("image,image\na,b\n", "line 1: the columns"),
        ('{"a": 1}\n{"a": 1, "a": 2}', "line 2: not JSON (two values for 'a')"),
        ('{"a": 1}\n[1]', "line 2: it is no object"),
        ("PK\x03\x04", "save the table as CSV"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "table").write_text(text)
    with pytest.raises(UserError) as refusal:
        list(read_rows(tmp_path / "table"))
    assert str(refusal.value).startswith(str(tmp_path / "table")) and said in str(refusal.value)


def test_what_is_held_out_follows_from_the_names_alone() -> None:
    names = [f"{n // 2}.jpg" for n in range(200)]  # two samples of each name
    parts = hold_out(names, {"val": 0.1, "test": 7}, "a.csv")
    assert [int(part.sum()) for part in parts.values()] == [166, 20, 14]
    assert (np.sum(list(parts.values()), axis=0) == 1).all()
    turned = hold_out(names[::-1], {"val": 0.1, "test": 7}, "b.csv")
    for split, part in parts.items():
        assert (part[::2] == part[1::2]).all() and (turned[split][::-1] == part).all()


@pytest.mark.parametrize("shares", [{"val": 0}, {"val": 1.0}, {"val": -0.5}, {"val": 2, "more": 0.3}])
def test_shares_that_leave_nothing_are_refused(shares) -> None:
    with pytest.raises(UserError, match=r"data\.val=.* photos"):
        hold_out(["a", "b", "c"], shares, "a.csv")
