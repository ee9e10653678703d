"""How often captions name objects that are in their photos, or scenes show objects that their texts name:
prints a table.

    python benchmarks/named_objects.py RUN/test.captions.jsonl INSTANCES.json [--also man=person]
    python benchmarks/named_objects.py RUN/test.scenes.jsonl INSTANCES.json

Objects are those named in a text by the names of COCO's categories. Reports the fraction of them that the
photo or scene has (for captions, 1 - CHAIR_i of Rohrbach et al., EMNLP 2018), and the fraction of texts that
name no others (1 - CHAIR_s). Files are those of src/train.py and src/evaluate.py. For comparison: the first
reference of each photo, and shuffled: each text with another one's photo or scene.
"""

import argparse
import json
import re
from collections import defaultdict
from pathlib import Path


def named(text: str, names: list[str], also: dict[str, str]) -> set[str]:
    """The names in a text, as whole words, including plurals in s; the longest of nested names."""
    text, found = text.lower().replace(" '", "'"), set()
    for word, name in also.items():
        text = re.sub(rf"\b{re.escape(word)}\b", name, text)
    for name in sorted(names, key=len, reverse=True):
        text, count = re.subn(rf"\b{re.escape(name)}s?\b", "_", text)
        found |= {name} if count else set()
    return found


def objects_of_photos(path: Path) -> tuple[list[str], dict[str, set[str]]]:
    """The category names of an instances file, and the names in each photo by file name."""
    told = json.loads(path.read_text(encoding="utf-8"))
    names = {category["id"]: category["name"].lower() for category in told["categories"]}
    files = {image["id"]: image["file_name"] for image in told["images"]}
    objects: dict[str, set[str]] = defaultdict(set)
    for annotation in told["annotations"]:
        objects[files[annotation["image_id"]]].add(names[annotation["category_id"]])
    return list(names.values()), objects


def tell(title: str, texts: list[set[str]], shown: list[set[str]]) -> None:
    count = sum(map(len, texts))
    there = sum(len(names & objects) for names, objects in zip(texts, shown, strict=True))
    whole = sum(names <= objects for names, objects in zip(texts, shown, strict=True)) / len(texts)
    print(f"{title:20} named {count:5}   there {there:5} ({there / max(count, 1):.3f})   all {whole:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("texts", type=Path, help="captions or scenes, one JSON object per line")
    parser.add_argument("instances", type=Path, help="annotations/instances_NAME.json of the photos")
    parser.add_argument("--leave-out", nargs="*", default=[], help="names to ignore")
    parser.add_argument("--also", nargs="*", default=[], help="WORD=NAME: count this word as the name")
    options = parser.parse_args()
    names, objects = objects_of_photos(options.instances)
    also = dict(pair.split("=", 1) for pair in options.also)
    rows = [json.loads(line) for line in options.texts.read_text(encoding="utf-8").split("\n") if line]

    def read(text: str) -> set[str]:
        return named(text, names, also) - set(options.leave_out)

    if "sentences" in rows[0]:
        what, texts = "scenes", [read(" ".join(row["sentences"])) for row in rows]
        there = [{one["class"] for one in row["objects"]} for row in rows]
    else:
        what, texts = "captions", [read(row["caption"]) for row in rows]
        there = [objects[row["image"]] for row in rows]
        tell("people", [read(row["references"][0]) for row in rows], there)
    half = len(rows) // 2
    tell(what, texts, there)
    tell(f"{what}, shuffled", texts, there[half:] + there[:half])


if __name__ == "__main__":
    main()
