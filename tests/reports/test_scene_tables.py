"""What evaluation prints of facts: the shares that hold, by kind, below each test set the stricter ones."""

from seq2scene.reports.scene.scenes import Scenes

SCORES = {
    **{f"faithfulness_{kind}": 0.5 for kind in ("thing", "colour", "size", "mood", "pose", "denial")},
    **{f"faithfulness_{kind}": 0.25 for kind in ("relation", "all", "text", "held_out_relation")},
    **{f"faithfulness_{kind}_strict": 0.125 for kind in ("relation", "all", "text", "held_out_relation")},
    **{"faithfulness_hold": 0.75, "faithfulness_hold_strict": 0.75, "faithfulness_seen_relation": 1.0},
    "faithfulness_duplicates": 0.0,
}


def printed(capsys, **results: dict[str, float]) -> list[list[str]]:
    Scenes().show(results)
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    return [line.split() for line in lines]


def test_facts_are_a_table_of_kinds_with_the_strict_bounds_below(capsys) -> None:
    heading, test, strict, held_out, both = printed(capsys, test=SCORES)
    assert heading[3:] == ["thing", "colour", "size", "mood", "pose", "relation", "denial", "all", "text"]
    assert test == ["test", *["0.500"] * 5, "0.250", "0.500", *["0.250"] * 2]
    assert strict == ["strict", *["0.125"] * 3]
    assert held_out == ["held", "out", "0.250"] and both == ["held", "out,", "strict", "0.125"]


def test_kinds_that_no_text_states_have_no_column_and_no_facts_no_table(capsys) -> None:
    photos = {f"faithfulness_{kind}": 0.5 for kind in ("thing", "relation", "relation_strict")}
    assert [len(line) for line in printed(capsys, test=photos)] == [5, 3, 2]
    assert printed(capsys, test={"u_recall": 1.0, "faithfulness_duplicates": 0.0}) == []
