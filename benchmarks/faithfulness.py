"""How faithful scenes are to the texts they were written for, by any system: prints a table, writes JSON.

    python benchmarks/faithfulness.py --texts texts.jsonl [data=park_scenes ...]
    python benchmarks/faithfulness.py SCENES.jsonl [--baselines] [--out FILE.json] [data=park_scenes ...]

The first writes what scenes are to be written for. SCENES.jsonl has a line for each text of the test set,
``{"scene": 6300, "text": 0, "objects": [...]}``, objects as ``scenes/scene_json.py`` has them;
NAME.scenes.jsonl of a run is such a file. Without ``text`` the lines of a scene are of its texts in their
order. Data and its options are said as to ``src/train.py``. Facts are those that lie beside the data's
sentences, or in ``--facts FILE`` (``scenes/facts.py``).

Each cell is the share of facts that hold at 8 pixels and at ``--tolerance``. Baselines:

- true scene, on the grid: the same at the nearest points of a model's grid; and with no more objects than it
  may place.
- another scene: the scenes of the test set in a random order.
- nearest text: the training scene whose text shares most words with the test text, rare words counting more.
"""

import argparse
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[1] / "src")]

from scene_baselines import configuration, nearest, sayable, scenes_of, words  # noqa: E402

from seq2scene.building import build  # noqa: E402
from seq2scene.data.scenes.scene_module import SceneModule  # noqa: E402
from seq2scene.errors import UserError  # noqa: E402
from seq2scene.json_text import to_json  # noqa: E402
from seq2scene.metrics.faithfulness import GROUPS, NAME, Faithfulness  # noqa: E402
from seq2scene.running.entry import user_errors  # noqa: E402
from seq2scene.scenes.facts import FAIR, Facts, of_text, read_facts  # noqa: E402
from seq2scene.scenes.objects import Objects  # noqa: E402
from seq2scene.scenes.relations import RELATIONS  # noqa: E402
from seq2scene.scenes.scene_json import from_plain  # noqa: E402
from seq2scene.scenes.schema import Schema  # noqa: E402
from seq2scene.sequences.lines import each_line, parse_json  # noqa: E402

SUMS = ("relation", "held_out_relation", "seen_relation", "all", "text", "held_out_text", "seen_text")
ROWS = (*(name for name in GROUPS if name not in SUMS), *RELATIONS, *SUMS, "duplicates")


def read_scenes(path: Path, numbers: list[int], schema: Schema) -> Objects:
    """The scene that a file has for each text, of the scenes ``numbers``, the texts of one adjacent."""
    found: dict[int, dict[int, list[dict[str, Any]]]] = defaultdict(dict)
    for number, line in enumerate(each_line(path), start=1):
        row = parse_json(line.encode(), f"{path}, line {number}")
        try:
            scene, objects = row["scene"], row["objects"]
        except (KeyError, TypeError):
            raise UserError(f"{path}, line {number}: a line has a scene and its objects") from None
        found[scene].setdefault(row.get("text", len(found[scene])), objects)
    texts = [(scene, numbers[:place].count(scene)) for place, scene in enumerate(numbers)]
    missing = [f"{scene}, text {text}" for scene, text in texts if text not in found[scene]]
    if missing:
        raise UserError(
            f"{path}: {len(missing)} of {len(texts)} texts have no scene, first scene {missing[0]}"
        )
    plain = [found[scene][text] for scene, text in texts]
    objects = from_plain(plain, schema)
    if not any("width" in one for scene in plain for one in scene):
        return objects
    extents = torch.zeros_like(objects.places)
    for row, scene in enumerate(plain):
        for step, one in enumerate(scene):
            extents[row, step] = torch.tensor([one["width"], one["height"]])
    return replace(objects, extents=extents)


def baselines(data: SceneModule, seed: int) -> dict[str, Objects]:
    """What each row predicts for the samples of the test set, in their order."""
    test, known, schema = data.splits["test"], data.splits["train"].objects, data.schema
    scenes, known_scenes = (scenes_of(words(data, split)) for split in ("test", "train"))
    widest = replace(schema, max_objects=test.objects.classes.shape[1])
    another = torch.randperm(len(test.objects), generator=torch.Generator().manual_seed(seed))
    told, known_told = ([t for told in words(data, s) for t in told] for s in ("test", "train"))
    return {
        "true scene": test.objects[scenes],
        "on the grid": sayable(test.objects, widest)[scenes],
        f"on the grid, {schema.max_objects} objects": sayable(test.objects, schema)[scenes],
        "another scene": sayable(test.objects, schema)[another[scenes]],
        "nearest text": sayable(known, schema)[known_scenes[nearest(known_told, told)]],
    }


def facts_of(data: SceneModule, path: Path | None) -> list[Facts]:
    """What the text of each sample of the test set states."""
    if path is None:
        facts = data.facts("test")
        if facts is None:
            raise UserError(f"{data.folder}: nobody has said what its texts state; give --facts FILE")
        return facts
    known, numbers = read_facts(path, schema=data.schema), data.splits["test"].numbers
    if lacking := [number for number in numbers if number not in known]:
        raise UserError(f"{path}: it has no facts of scene {lacking[0]}, and of {len(lacking) - 1} others")
    return [of_text(text) for number in numbers for text in known[number]]


def score(metric: Faithfulness, objects: Objects, facts: list[Facts]) -> dict[str, float]:
    """The shares by name, without what all of them begin with."""
    metric.reset()
    metric.update(objects, facts)
    return {name.removeprefix(f"{NAME}_"): value.item() for name, value in metric.found().items()}


def counted(facts: list[Facts]) -> dict[str, int]:
    """How many facts, or texts, or scenes, each row is a share of."""
    stated = [fact for text in facts for fact in text]
    unseen = [fact for fact in stated if fact.held_out]
    counts = {name: sum(fact.group in kinds for fact in stated) for name, kinds in GROUPS.items()}
    counts |= {kind: sum(fact.group == kind for fact in stated) for kind in RELATIONS}
    texts = sum(map(bool, facts))
    apart = sum(any(fact.held_out for fact in text) for text in facts)
    counts |= {"held_out_relation": len(unseen), "seen_relation": counts["relation"] - len(unseen)}
    return {
        **counts,
        "text": texts,
        "held_out_text": apart,
        "seen_text": texts - apart,
        "duplicates": len(facts),
    }


def show(systems: dict[str, dict[str, float]], counts: dict[str, int]) -> None:
    print("| | n |", *(f"{name} |" for name in systems))
    print("|---|---|" + "---|" * len(systems))
    for row in ROWS:
        if not any(row in scores for scores in systems.values()):
            continue
        cells = (
            [scores[key] for key in (f"{row}_strict", row) if key in scores] for scores in systems.values()
        )
        shown = (" / ".join(f"{value:.3f}" for value in cell) or "-" for cell in cells)
        print(f"| {row} | {counts[row]} |", *(f"{cell} |" for cell in shown))


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("arguments", nargs="*", help="SCENES.jsonl, any number, and overrides")
    parser.add_argument("--facts", type=Path, help="a file of facts instead of the data's own")
    parser.add_argument("--tolerance", type=float, default=FAIR, help="in pixels, beside the strict 8")
    parser.add_argument("--baselines", action="store_true", help="what predictions without a model score")
    parser.add_argument("--texts", type=Path, help="write the texts of the test set to this file")
    parser.add_argument("--seed", type=int, default=0, help="of the other test scenes")
    parser.add_argument("--out", type=Path, default=Path("faithfulness.json"))
    options = parser.parse_intermixed_args(given)
    overrides = [argument for argument in options.arguments if "=" in argument]
    config = configuration(overrides or ["data=park_scenes"])
    data = build(config["data"], "data")
    data.prepare_data()
    data.setup()
    numbers = data.scene_ids("test")
    if options.texts:
        rows = zip(numbers, data.texts("test"), strict=True)
        lines = [
            to_json(
                {"scene": scene, "text": numbers[:place].count(scene), "sentences": told}, ensure_ascii=False
            )
            for place, (scene, told) in enumerate(rows)
        ]
        options.texts.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return
    facts = facts_of(data, options.facts)
    files = [Path(argument) for argument in options.arguments if "=" not in argument]
    predictions = {str(path): read_scenes(path, numbers, data.schema) for path in files}
    if options.baselines:
        predictions |= baselines(data, options.seed)
    if not predictions:
        raise UserError("nothing to score: name SCENES.jsonl, or say --baselines")
    metric = Faithfulness(data.schema, options.tolerance)
    systems = {name: score(metric, objects, facts) for name, objects in predictions.items()}
    show(systems, counted(facts))
    report = {"config": config, "tolerance": options.tolerance, "counts": counted(facts), "systems": systems}
    options.out.write_text(to_json(report, indent=2) + "\n")


if __name__ == "__main__":
    with user_errors():
        main()
