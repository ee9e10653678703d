"""The facts that sentences state: all of them true, none left out, kept beside the sentences."""

import json
from dataclasses import replace
from random import Random

import pytest

from seq2scene.data.park.language.describing import describe
from seq2scene.data.park.language.grammar import text
from seq2scene.data.park.language.meaning import Clause, Mention, Message, Place
from seq2scene.data.park.language.stating import seen_in_boxes, stated
from seq2scene.data.park.language.telling import tell
from seq2scene.data.park.photos_writing import category_names
from seq2scene.data.park.sampling import sample_scene
from seq2scene.data.park.scenes_writing import ensure_scenes
from seq2scene.data.park.world import Scene
from seq2scene.data.park.writing import is_held_out
from seq2scene.data.scenes.abstract_scenes import ParkScenes
from seq2scene.data.scenes.coco_layout import ParkLayout
from seq2scene.errors import UserError
from seq2scene.scenes.facts import ATTRIBUTES, STRICT, Fact, holds, read_facts
from seq2scene.scenes.relations import RELATIONS

pytestmark = pytest.mark.slow

SMALL = {"seed": 5, "train": 12, "val": 3, "test": 4}
MIKE, BALL = Mention("hb0", "name"), Mention("t_0", "definite", colour="red")


@pytest.fixture(scope="module")
def told() -> list[tuple[Scene, Message]]:
    rng = Random(11)
    scenes = [sample_scene(rng) for _ in range(250)]
    return [(s, m) for s in scenes for m in (*describe(s, rng), *tell(s, rng, 5))]


def facts(*messages: Message) -> set[Fact]:
    return {fact for message in messages for fact in stated(message)}


def test_all_that_is_stated_holds_strictly_of_the_scene(told) -> None:
    kinds = set()
    for scene, message in told:
        things = {thing.name: [thing] for thing in scene.things}
        for fact in stated(message):
            assert holds(fact, things, STRICT), (text(message, "en"), fact)
            kinds.add(fact.group)
    assert kinds == {"thing", *ATTRIBUTES, "denial", *RELATIONS}


def test_the_combinations_of_a_message_are_those_of_its_facts(told) -> None:
    for _, message in told:
        combinations = {fact.combination for fact in stated(message)} - {None}
        assert combinations == {c for c in message.combinations if "|see|" not in c}


def test_a_clause_states_its_things_its_pose_and_its_relation() -> None:
    message = Message("plain", (Clause("kick", MIKE, BALL, front=Place("next_to", Mention("p_9"))),))
    assert facts(message) == {
        *(Fact("thing", name) for name in ("hb0", "t_0", "p_9")),
        Fact("colour", "t_0", value="red"),
        Fact("pose", "hb0", value="kick"),
        Fact("kick", "hb0", "t_0"),
        Fact("next_to", "hb0", "p_9"),
    }


def test_what_is_said_of_both_is_said_of_each() -> None:
    both = Clause("be", Mention("both", "name"), adjective="sad")
    rain = Clause("rain", Mention("it", "pronoun"))
    children = {Fact("thing", name) for name in ("hb0", "hb1")}
    moods = {Fact("mood", name, value="sad") for name in ("hb0", "hb1")}
    assert facts(Message("because", (both, rain))) == children | moods | {Fact("thing", "s_5")}


def test_what_is_denied_need_not_be_there_unless_it_is_known() -> None:
    for form, there in (("indefinite", set()), ("definite", {Fact("thing", "t_3")})):
        message = Message("plain", (Clause("hold", MIKE, Mention("t_3", form), negated=True),))
        assert facts(message) == {Fact("thing", "hb0"), Fact("hold", "hb0", "t_3", denied=True)} | there


@pytest.mark.parametrize(
    ("clause", "denied"),
    [
        (Clause("smile", MIKE), Fact("mood", "hb0", value="smile", denied=True)),
        (Clause("sit", MIKE), Fact("pose", "hb0", value="sit", denied=True)),
        (Clause("be", MIKE, place=Place("near", Mention("p_8"))), Fact("near", "hb0", "p_8", denied=True)),
        (Clause("run_to", MIKE, Mention("p_8")), Fact("run_to", "hb0", "p_8", denied=True)),
        (Clause("rain", Mention("it", "pronoun")), Fact("thing", "s_5", denied=True)),
    ],
)
def test_a_negated_clause_states_the_denial_and_nothing_of_what_it_denies(
    clause: Clause, denied: Fact
) -> None:
    found = facts(Message("plain", (replace(clause, negated=True),)))
    assert {fact for fact in found if fact.kind != "thing" or fact.denied} == {denied}


def test_boxes_show_things_by_category_and_no_look() -> None:
    blue = Mention("t_2", "definite", colour="blue")
    message = Message("and", (Clause("hold", MIKE, BALL), Clause("look", MIKE, blue)))
    names = category_names()
    assert {*seen_in_boxes(stated(message), names)} == {
        Fact("thing", "boy"),
        Fact("thing", "ball", count=2),
        Fact("hold", "boy", "ball"),
    }


# Files


def test_scenes_lie_beside_the_facts_of_each_of_their_sentences(tmp_path) -> None:
    folder = ensure_scenes(tmp_path, **SMALL)
    rng = Random(SMALL["seed"])
    scenes = [sample_scene(rng) for _ in range(19)]
    groups = [[[stated(message) for message in describe(scene, rng)] for scene in scenes] for _ in range(2)]
    found = [read_facts(folder / "facts" / f"{split}.jsonl") for split in ("train", "val", "test")]
    assert [list(split) for split in found] == [[*range(12)], [12, 13, 14], [15, 16, 17, 18]]
    for number, texts in (item for split in found for item in split.items()):
        assert texts == [group[number] for group in groups]


def test_what_is_held_out_is_told_in_tests_alone_and_marked(tmp_path) -> None:
    folder = ensure_scenes(tmp_path, **SMALL, held_out=3)
    listed = (folder / "held_out.txt").read_text().splitlines()
    assert listed == sorted(listed) and all(is_held_out(combination, 3) for combination in listed)
    of = {split: read_facts(folder / "facts" / f"{split}.jsonl") for split in ("train", "val", "test")}
    told = {
        split: [fact for texts in scenes.values() for text in texts for sentence in text for fact in sentence]
        for split, scenes in of.items()
    }
    assert not {fact.combination for split in ("train", "val") for fact in told[split]} & {*listed}
    assert {fact for fact in told["test"] if fact.held_out} == {
        fact for fact in told["test"] if fact.combination in listed
    }
    assert 0 < sum(fact.held_out for fact in told["test"]) < len(told["test"])
    plain = ensure_scenes(tmp_path, **SMALL)
    assert (plain / "Scenes_10020.txt").read_bytes() == (folder / "Scenes_10020.txt").read_bytes()


def test_a_park_written_without_facts_gets_them_and_keeps_its_other_files(tmp_path, monkeypatch) -> None:
    folder = ensure_scenes(tmp_path, **SMALL)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*") if path.parent.name != "facts"}
    kept = {path.name: path.read_bytes() for path in (folder / "facts").iterdir()}
    for path in (folder / "facts").iterdir():
        path.unlink()
    (folder / "facts").rmdir()
    assert ensure_scenes(tmp_path, **SMALL) == folder
    assert {path.name: path.read_bytes() for path in (folder / "facts").iterdir()} == kept
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_batches_of_tests_bring_what_their_texts_state_and_training_does_not(tmp_path) -> None:
    data = ParkScenes(root=str(tmp_path), park=SMALL, eval_batch_size=3, cache=str(tmp_path / "cache"))
    data.prepare_data()
    data.setup()
    (loader,) = data.test_dataloader()
    known = data.facts("test")
    assert len(known) == 8
    for batch in loader:
        assert batch.facts == tuple(known[row] for row in batch.rows.tolist())
        assert batch.to("cpu").facts == batch.facts
    assert next(iter(data.train_dataloader())).facts is None


def test_photos_bring_what_boxes_show(tmp_path) -> None:
    park = {"seed": 5, "train": 3, "val": 2}
    data = ParkLayout(root=str(tmp_path), park=park, min_area=0.0, cache=str(tmp_path / "cache"))
    data.prepare_data()
    data.setup()
    known = data.facts("test")
    assert len(known) == 10 and {fact.subject for text in known for fact in text} <= {*data.schema.names}


def test_facts_of_other_scenes_are_refused(tmp_path) -> None:
    data = ParkScenes(root=str(tmp_path), park=SMALL, cache=str(tmp_path / "cache"))
    data.prepare_data()
    data.setup()
    path = data.folder / "facts" / "test.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("".join(json.dumps({**json.loads(line), "scene": 99}) + "\n" for line in lines))
    with pytest.raises(UserError, match=r"test\.jsonl: of scene 15, which has 2 texts"):
        data.facts("test")
