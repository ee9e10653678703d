"""The park's scenes on disk, in the format of AbstractScenes_v1.1, so that one reader serves both.

``Scenes_10020.txt``: a first line with the number of scenes; then for each scene the number of its set (ten
consecutive scenes form a set) and the number of its things, and one line per thing: picture, type, index of
the picture within the type, x, y, depth, flip. ``SimpleSentences/SimpleSentences{1,2}_10020.txt``: two
descriptions of each scene, three sentences each: scene, number of the sentence, sentence. ``Pngs``: the clip
art. ``splits/text2scene_{train,val,test}.txt``: scenes, one per line. The 10020 is part of the published
names.

In addition to the published format, ``facts/{train,val,test}.jsonl`` have the facts stated by each sentence
(``scenes.facts``). Held-out combinations of all scenes are listed in ``held_out.txt``, one per line
(``hb0|hold|t_13``): no text of train or val states one, whatever its scene shows; in test, such facts are
marked.
"""

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Literal

from seq2scene.data.park.drawing.clip_art import clip_art
from seq2scene.data.park.folders import ensure_folder, write_lines
from seq2scene.data.park.language.describing import describe
from seq2scene.data.park.language.grammar import text
from seq2scene.data.park.language.rephrasing import regroup
from seq2scene.data.park.language.rich_english import say
from seq2scene.data.park.language.stating import stated
from seq2scene.data.park.sampling import sample_scene
from seq2scene.data.park.world import Placed, Scene
from seq2scene.data.park.writing import is_held_out
from seq2scene.scenes.clip_art import type_of
from seq2scene.scenes.facts import Facts, facts_line

VERSION = 3  # increase it whenever a seed gives different files, drawings included
RICH_VERSION = 2  # increase it whenever the output of rich English changes
GROUPS = (1, 2)
RICH_GROUP = 2  # the group of texts that rich English rewrites; the other stays plain
SCENES_IN_SET = 10
FACTS = "facts"


def ensure_scenes(
    root: Path,
    seed: int = 0,
    train: int = 6000,
    val: int = 300,
    test: int = 300,
    held_out: int = 0,
    english: Literal["plain", "rich"] = "plain",
) -> Path:
    """The folder of the scenes under ``root``, written on first use; other options have other folders.

    held_out: one in this many combinations of subject, relation and object is mentioned in test only, chosen
    by a hash of the combination; 0: none. english: ``rich`` writes the second text of each training scene the
    way people type (``rich_english``); all other texts stay plain.

    Raises:
        UserError: the folder cannot be written, or holds something else.
    """
    sizes = {"train": train, "val": val, "test": test}
    name = f"scenes-v{VERSION}-seed{seed}-{train}-{val}-{test}"
    facts: dict[str, int | str] = {"version": VERSION, "seed": seed, **sizes}
    if held_out:
        name, facts = f"{name}-held_out{held_out}", {**facts, "held_out": held_out}
    if english == "rich":
        name, facts = f"{name}-rich{RICH_VERSION}", {**facts, "english": f"rich {RICH_VERSION}"}

    def write(draft: Path) -> None:
        _write(draft, seed, sizes, held_out, rich=sizes["train"] if english == "rich" else 0)

    return ensure_folder(Path(root) / name, facts, write, added=(FACTS,))


def _write(folder: Path, seed: int, sizes: dict[str, int], held_out: int, rich: int) -> None:
    """rich: the second text of the first ``rich`` scenes is in rich English."""
    rng = Random(seed)
    scenes = [sample_scene(rng) for _ in range(sum(sizes.values()))]
    write_lines(folder / "Scenes_10020.txt", _scene_lines(scenes))
    for name in ("SimpleSentences", "Pngs", "splits", FACTS):
        (folder / name).mkdir()
    unseen: set[str] = set()
    if held_out:
        found = {relation.combination for scene in scenes for relation in scene.relations}
        unseen = {combination for combination in found if is_held_out(combination, held_out)}
        write_lines(folder / "held_out.txt", sorted(unseen))
    known = [_without(scene, unseen) for scene in scenes[: -sizes["test"]]]
    told = {
        group: [describe(scene, rng) for scene in (*known, *scenes[-sizes["test"] :])] for group in GROUPS
    }
    voice = Random(f"english {seed}")
    told[RICH_GROUP][:rich] = [regroup(messages, voice) for messages in told[RICH_GROUP][:rich]]
    for group, messages in told.items():
        texts = [[text(message, "en") for message in of_scene] for of_scene in messages]
        if group == RICH_GROUP:
            texts[:rich] = [
                [say(message, scene, voice) for message in of_scene]
                for of_scene, scene in zip(messages[:rich], scenes[:rich], strict=True)
            ]
        path = folder / "SimpleSentences" / f"SimpleSentences{group}_10020.txt"
        write_lines(path, _sentence_lines(texts))
    first = 0
    for split, size in sizes.items():
        numbers = range(first, first + size)
        write_lines(folder / "splits" / f"text2scene_{split}.txt", list(map(str, numbers)))
        lines = [
            facts_line(n, [[_marked(stated(m), unseen) for m in told[group][n]] for group in GROUPS])
            for n in numbers
        ]
        write_lines(folder / FACTS / f"{split}.jsonl", lines)
        first += size
    for name, png in clip_art().items():
        (folder / "Pngs" / f"{name}.png").write_bytes(png)


def _without(scene: Scene, combinations: set[str]) -> Scene:
    """The same scene without the relations in ``combinations``."""
    return Scene(scene.things, tuple(r for r in scene.relations if r.combination not in combinations))


def _marked(facts: Facts, unseen: set[str]) -> Facts:
    return tuple(replace(fact, held_out=fact.combination in unseen) for fact in facts)


def _scene_lines(scenes: list[Scene]) -> list[str]:
    lines = [str(len(scenes))]
    for number, scene in enumerate(scenes):
        lines.append(f"{number // SCENES_IN_SET}\t{len(scene.things)}")
        lines += map(_thing_line, scene.things)
    return lines


def _thing_line(thing: Placed) -> str:
    kind = type_of(thing.name)
    fields = (f"{thing.picture}.png", kind, thing.variant, thing.x, thing.y, thing.z, thing.flip)
    return "\t".join(map(str, fields))


def _sentence_lines(texts: list[list[str]]) -> list[str]:
    lines = []
    for number, sentences in enumerate(texts):
        lines += [f"{number}\t{k}\t{sentence}" for k, sentence in enumerate(sentences)]
        lines.append("")
    return lines
