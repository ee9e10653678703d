"""Whether captions name what is in their photos: prints a table.

    python benchmarks/named_objects.py RUN/test.captions.jsonl INSTANCES.json [--also man=person]

Of the objects that captions name, by the names of the categories of COCO's instances, the share that the
photo has (1 - CHAIR_i of Rohrbach et al., EMNLP 2018), and of the captions the share that names nothing else
(1 - CHAIR_s). Beside the captions of a file of src/evaluate.py or src/train.py: the first reference of each
photo, and the captions each of the photo before.
"""

import argparse
import json
import re
from collections import defaultdict
from pathlib import Path


def named(text: str, names: list[str], also: dict[str, str]) -> set[str]:
    """The names in a text, in whole words; of names within names the longest, plurals in s too."""
    text, found = text.lower().replace(" '", "'"), set()
    for word, name in also.items():
        text = re.sub(rf"\b{re.escape(word)}\b", name, text)
    for name in sorted(names, key=len, reverse=True):
        text, count = re.subn(rf"\b{re.escape(name)}s?\b", "_", text)
        found |= {name} if count else set()
    return found


def objects_of_photos(path: Path) -> tuple[list[str], dict[str, set[str]]]:
    """The names of a file of instances, and of those each photo has, by the photo's file name."""
    told = json.loads(path.read_text(encoding="utf-8"))
    names = {category["id"]: category["name"].lower() for category in told["categories"]}
    files = {image["id"]: image["file_name"] for image in told["images"]}
    objects: dict[str, set[str]] = defaultdict(set)
    for annotation in told["annotations"]:
        objects[files[annotation["image_id"]]].add(names[annotation["category_id"]])
    return list(names.values()), objects


def tell(title: str, captions: list[set[str]], photos: list[set[str]]) -> None:
    count = sum(map(len, captions))
    there = sum(len(caption & photo) for caption, photo in zip(captions, photos, strict=True))
    right = sum(caption <= photo for caption, photo in zip(captions, photos, strict=True))
    share, whole = there / max(count, 1), right / max(len(captions), 1)
    print(f"{title:24} named {count:5}   there {there:5} ({share:.3f})   captions all there {whole:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("captions", type=Path, help="a file of captions, one JSON object a line")
    parser.add_argument("instances", type=Path, help="annotations/instances_NAME.json of the photos")
    parser.add_argument("--leave-out", nargs="*", default=[], help="names that do not count")
    parser.add_argument("--also", nargs="*", default=[], help="WORD=NAME: the word names it too")
    options = parser.parse_args()
    names, objects = objects_of_photos(options.instances)
    also = dict(pair.split("=", 1) for pair in options.also)
    rows = [json.loads(line) for line in options.captions.read_text(encoding="utf-8").splitlines()]
    photos = [objects[row["image"]] for row in rows]

    def read(text: str) -> set[str]:
        return named(text, names, also) - set(options.leave_out)

    captions = [read(row["caption"]) for row in rows]
    tell("captions", captions, photos)
    tell("people", [read(row["references"][0]) for row in rows], photos)
    tell("captions, shuffled", captions[1:] + captions[:1], photos)


if __name__ == "__main__":
    main()
