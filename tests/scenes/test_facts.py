"""Facts: as JSON and back, and whether they hold of things where they stand."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
import torch

from seq2scene.data.park.sampling import sample_scene
from seq2scene.data.park.world import Scene
from seq2scene.errors import UserError
from seq2scene.scenes.clip_art import POSES, THINGS, Placed
from seq2scene.scenes.facts import (
    ATTRIBUTES,
    BOX_KINDS,
    FAIR,
    STRICT,
    VALUES,
    Fact,
    check,
    facts_line,
    from_plain,
    holds,
    in_words,
    judged_kinds,
    read_facts,
    to_plain,
)
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import FIRST_CLASS, Objects
from seq2scene.scenes.relations import BOX_RELATIONS, RELATIONS
from seq2scene.scenes.schema import Head, Schema

GRID = Grid(28, 28, 1, 1, 499, 399)
PHOTO = Schema(("ball", "tree", "boy"), Grid(28, 28, 0.001, 0.001, 0.999, 0.999), {}, 9, 1, (1.0, 1.0))


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    rng = Random(3)
    return [sample_scene(rng) for _ in range(300)]


def named(*things: Placed) -> dict[str, list[Placed]]:
    found: dict[str, list[Placed]] = {}
    for thing in things:
        found.setdefault(thing.name, []).append(thing)
    return found


def relations(scene: Scene) -> Iterator[Fact]:
    for relation in scene.relations:
        yield Fact(relation.kind, relation.subject, relation.object, relation.recipient)


def boxes(*rows: tuple[str, float, float, float, float]) -> Objects:
    classes = torch.tensor([[FIRST_CLASS + PHOTO.names.index(row[0]) for row in rows]])
    places, extents = torch.tensor([[row[1:] for row in rows]]).split(2, dim=2)
    return Objects(classes, places, {}, extents)


def test_every_relation_that_the_park_reads_holds_of_its_scene_strictly(scenes) -> None:
    kinds = set()
    for scene in scenes:
        things = named(*scene.things)
        for fact in relations(scene):
            assert holds(fact, things, STRICT), fact
            kinds.add(fact.kind)
    assert kinds == RELATIONS.keys()


def test_what_the_grid_loses_strictly_it_keeps_by_the_fair_tolerance(scenes) -> None:
    lost = {STRICT: [], FAIR: []}
    for scene in scenes:
        places = GRID.point(GRID.cell(torch.tensor([[t.x, t.y] for t in scene.things]))).tolist()
        moved = [replace(t, x=x, y=y) for t, (x, y) in zip(scene.things, places, strict=True)]
        for fact in relations(scene):
            for tolerance, facts in lost.items():
                facts += [fact.kind] * (not holds(fact, named(*moved), tolerance))
    assert len(lost[FAIR]) < 0.03 * len(lost[STRICT])
    assert not {"hold", "wear", "kick", "on", "in", "raise", "eat", "read"} & {*lost[FAIR]}


def test_most_relations_do_not_hold_in_another_scene(scenes) -> None:
    told = [(fact, other) for one, other in pairwise(scenes) for fact in relations(one)]
    assert sum(holds(fact, named(*other.things)) for fact, other in told) < 0.1 * len(told)


def test_where_a_class_stands_twice_one_of_them_is_enough() -> None:
    boy, near, far = (Placed("hb0", 100, 300, 0, 0), *(Placed("t_0", x, 282, 0, 0) for x in (150, 400)))
    fact = Fact("hold", "hb0", "t_0")
    assert holds(fact, named(boy, far, near)) and not holds(fact, named(boy, far))


def test_counts_are_least_numbers() -> None:
    dogs = named(*(Placed("a_2", 100 * k, 350, 0, 0) for k in range(3)))
    assert [holds(Fact("thing", "a_2", count=n), dogs) for n in (1, 3, 4)] == [True, True, False]


def test_moods_and_poses_are_those_that_a_word_covers() -> None:
    girl = named(Placed("hb1", 100, 300, 0, 0, pose=POSES.index("wave"), expression=1))
    held = {("mood", word) for word in ("happy", "laugh")} | {("pose", word) for word in ("stand", "wave")}
    for kind, words in {"mood": ("happy", "laugh", "smile", "sad"), "pose": ("stand", "wave", "sit")}.items():
        for word in words:
            assert holds(Fact(kind, "hb1", value=word), girl) is ((kind, word) in held)


def test_what_is_big_is_near_and_what_is_small_far() -> None:
    bear = named(Placed("a_0", 100, 300, 2, 0))
    assert holds(Fact("size", "a_0", value="small"), bear)
    assert not holds(Fact("size", "a_0", value="big"), bear)


def test_a_denial_wants_its_subject_and_is_judged_strictly() -> None:
    fact = Fact("hold", "hb0", "t_0", denied=True)
    boy = Placed("hb0", 100, 300, 0, 0)
    assert holds(fact, named(boy)) and not holds(fact, {})
    assert not holds(fact, named(boy, Placed("t_0", 150, 282, 0, 0)))
    beside = named(boy, Placed("t_0", 165, 282, 0, 0))
    assert holds(replace(fact, denied=False), beside, FAIR) and holds(fact, beside, FAIR)


def test_there_is_no_cat_where_there_are_other_things_alone() -> None:
    fact, dog, cat = Fact("thing", "a_1", denied=True), Placed("a_2", 9, 9, 0, 0), Placed("a_1", 9, 9, 0, 0)
    assert holds(fact, named(dog))
    assert not holds(fact, named(dog, cat)) and not holds(fact, {})


def test_a_gift_is_held_out_to_its_recipient() -> None:
    boy, ball = Placed("hb0", 100, 300, 0, 0), Placed("t_0", 150, 282, 0, 0)
    fact = Fact("give", "hb0", "t_0", "hb1")
    assert holds(fact, named(boy, ball, Placed("hb1", 250, 300, 0, 1)))
    assert not holds(fact, named(boy, ball, Placed("hb1", 20, 300, 0, 0)))


def test_a_larger_tolerance_makes_no_fact_false(scenes) -> None:
    rng = Random(5)
    for scene in scenes[:60]:
        moved = [replace(t, x=t.x + rng.randint(-25, 25), y=t.y + rng.randint(-15, 15)) for t in scene.things]
        things = named(*moved)
        for fact in relations(scene):
            for one in (fact, replace(fact, denied=True)):
                assert holds(one, things, STRICT) <= holds(one, things, FAIR) <= holds(one, things, 40)


def test_boxes_show_where_things_are() -> None:
    scene = boxes(("tree", 0.5, 0.5, 0.3, 0.6), ("ball", 0.75, 0.75, 0.1, 0.1), ("boy", 0.5, 0.55, 0.1, 0.2))
    facts = [Fact(kind, "ball", "tree") for kind in ("right_of", "near", "left_of", "above")]
    facts += [Fact("in_front_of", "boy", "tree"), Fact("hold", "boy", "ball"), Fact("thing", "ball", count=2)]
    assert check(facts, scene, PHOTO) == [True, True, False, False, False, False, False]
    assert check([Fact("behind", "boy", "tree"), Fact("under", "boy", "tree")], scene, PHOTO) == [True, True]


def test_clip_art_is_checked_where_its_objects_stand() -> None:
    sizes = torch.ones(len(THINGS), 7, 5, 2)
    heads = {"size": Head(3), "flip": Head(2), "pose": Head(7), "expression": Head(5)}
    schema = Schema(tuple(THINGS), GRID, heads, 9, 3, (500, 400), sizes, (1.0, 0.7, 0.49))
    numbers = torch.tensor([[schema.number("hb0"), schema.number("t_0")]])
    zeros = torch.zeros_like(numbers)
    objects = Objects(
        numbers, torch.tensor([[[100.0, 300.0], [150.0, 282.0]]]), {"flip": zeros, "pose": zeros}
    )
    facts = [Fact("hold", "hb0", "t_0"), Fact("wear", "hb0", "t_0"), Fact("mood", "hb0", value="angry")]
    assert check(facts, objects, schema) == [True, False, True]
    objects.attributes["flip"][0, 0] = 1  # the hand is on the other side
    assert check(facts, objects, schema) == [False, False, True]
    for other in (replace(schema, sizes=300 * sizes), replace(schema, types=(1,) * len(THINGS))):
        assert {*judged_kinds(schema)} > {*BOX_KINDS} == {*judged_kinds(other)} == {*judged_kinds(PHOTO)}


TITLES = {"hb0": "Mike", "hb1": "Jenny", "a_1": "cat", "a_2": "dog", "p_8": "tree", "t_0": "ball"}
TITLED = replace(PHOTO, names=tuple(TITLES), titles=tuple(TITLES.values()))


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (Fact("thing", "a_2"), "dog"),
        (Fact("thing", "a_2", count=3), "3 x dog"),
        (Fact("thing", "a_1", denied=True), "no cat"),
        (Fact("mood", "hb1", value="happy"), "Jenny is happy"),
        (Fact("mood", "hb1", value="smile", denied=True), "Jenny does not smile"),
        (Fact("pose", "hb0", value="arms_up"), "Mike raises both arms"),
        (Fact("hold", "hb0", "t_0"), "Mike holds ball"),
        (Fact("look", "hb0", "a_1", denied=True), "Mike does not look at cat"),
        (Fact("left_of", "a_2", "p_8"), "dog is left of tree"),
        (Fact("left_of", "a_2", "p_8", denied=True), "dog is not left of tree"),
        (Fact("kick", "hb0", "t_0", "hb1"), "Mike kicks ball to Jenny"),
    ],
)
def test_a_fact_is_said_in_a_few_words(fact, words) -> None:
    assert in_words(fact, TITLED) == words


def test_no_two_facts_are_said_alike() -> None:
    facts = [Fact(kind, "hb0", "t_0") for kind in RELATIONS] + [Fact("thing", "hb0")]
    facts += [Fact(kind, "hb0", value=value) for kind in ATTRIBUTES for value in VALUES[kind] or ("red",)]
    said = [in_words(replace(fact, denied=denied), TITLED) for fact in facts for denied in (False, True)]
    said += [in_words(Fact("hold", "a_2", "a_99"), TITLED)]  # a class that the model does not know
    assert len({*said}) == len(said) and "dog holds a_99" in said
    assert not any("_" in words for words in said[:-1])


def test_facts_are_read_as_they_were_written(tmp_path) -> None:
    facts = (Fact("thing", "a_2", count=3), Fact("give", "hb0", "t_0", "hb1", held_out=True))
    texts = [[facts, ()], [(Fact("mood", "hb1", value="sad", denied=True),), facts[:1]]]
    path = tmp_path / "facts.jsonl"
    path.write_text(facts_line(7, texts) + "\n")
    assert read_facts(path) == {7: texts}
    assert to_plain(facts[0]) == {"kind": "thing", "subject": "a_2", "count": 3}


@pytest.mark.parametrize(
    ("plain", "reason"),
    [
        ({"kind": "thing"}, "is not a fact"),
        ({"kind": "juggle", "subject": "hb0"}, "juggle is not a kind of fact"),
        ({"kind": "mood", "subject": "hb0", "value": "hungry"}, "kind mood is one of angry, laugh"),
        ({"kind": "hold", "subject": "hb0"}, "a relation has an object"),
        ({"kind": "thing", "subject": ["hb0"]}, r"its subject is a text, not \['hb0'\]"),
        ({"kind": "thing", "subject": "hb0", "count": "2"}, "its count is a whole number of .*, not '2'"),
        ({"kind": "thing", "subject": "hb0", "denied": "no"}, "its denied is true or false, not 'no'"),
    ],
)
def test_what_is_no_fact_is_refused(tmp_path, plain, reason) -> None:
    with pytest.raises(UserError, match=reason):
        from_plain(plain)
    path = tmp_path / "facts.jsonl"
    path.write_text(facts_line(1, []) + "\n" + '{"scene": 2, "texts": [[[{"kind": "juggle"}]]]}\n')
    with pytest.raises(UserError, match=r"facts.jsonl, line 2: .* is not a fact"):
        read_facts(path)
    path.write_text('{"scene": 1e400, "texts": []}\n')
    with pytest.raises(UserError, match=r"facts.jsonl, line 1: a line has a scene"):
        read_facts(path)


def test_what_boxes_cannot_show_is_refused() -> None:
    assert BOX_RELATIONS.keys() < RELATIONS.keys()
    to_somebody = Fact("kick", "boy", "ball", recipient="girl")
    for fact in (Fact("look", "boy", "ball"), Fact("mood", "boy", value="sad"), to_somebody):
        with pytest.raises(
            UserError, match=f"{fact.kind} cannot be checked on boxes; possible are thing, hold"
        ):
            check([fact], boxes(("boy", 0.5, 0.5, 0.1, 0.2)), PHOTO)
