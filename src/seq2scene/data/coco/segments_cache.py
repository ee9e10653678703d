"""A cache of the segments of photos: reading all of COCO's masks takes half an hour.

The key is a hash of the paths, sizes and times of the annotation files and of all settings. A file of arrays
appears complete or not at all.
"""

import json
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from seq2scene.arrays import read_arrays, undamaged
from seq2scene.caching import facts_of, kept, key, renewed
from seq2scene.data.coco.annotations import ARCHIVE, OUTSIDE, Classes, Images, License, Licenses
from seq2scene.data.coco.segments import Crowded, Filters, Segments, Tally, read_segments
from seq2scene.errors import UserError
from seq2scene.json_text import to_json

VERSION = 2  # raise it when segments are read differently or the layout changes


def stored_segments(
    root: Path,
    name: str,
    cache: Path | str,
    stuff: Literal["stuff", "panoptic", "none"] = "stuff",
    overlap: float | None = 0.8,
    min_thing: float = 0.01,
    min_stuff: float = 0.04,
    max_objects: int | None = 11,
    crowded: Crowded = "leave_out",
    hint: str = "",
    exported: Classes | None = None,
) -> Segments:
    """``read_segments`` of all images, from the cache, or else with as many processes as torch has threads.
    One rank reads them while others wait; a damaged file of the cache is made again.

    Raises:
        UserError: as ``read_segments``; nothing is left; the cache cannot be written.
    """
    filters = Filters(overlap=overlap, min_thing=min_thing, min_stuff=min_stuff, max_objects=max_objects)
    known = [VERSION, name, stuff, filters, crowded, _facts(Path(root), name, stuff)]
    if exported is not None:
        known.append(asdict(exported))

    def read() -> Segments:
        segments = read_segments(
            root,
            name,
            stuff,
            **filters,
            crowded=crowded,
            hint=hint,
            workers=torch.get_num_threads(),
            exported=exported,
        )
        if not segments.ids:
            left_out = segments.tally
            settings = ", ".join(f"data.{key}={value}" for key, value in filters.items())
            advice = "; composites need polygons or masks: for boxes alone there is task=layout data=boxes"
            raise UserError(
                f"{root}: nothing is left of the {left_out.images} photos of {name} with {settings}: "
                f"{left_out.crowds} crowds, {left_out.outside} {OUTSIDE}, {left_out.small} small segments, "
                f"{left_out.doubles} doubles, {left_out.empty} without a pixel and {left_out.crowded} photos "
                f"with more are left out{advice if left_out.empty and exported is not None else ''}"
            )
        return segments

    file = Path(cache) / "pieces" / f"{key(to_json(known))}.npz"
    return renewed(file, lambda: kept(file, read, _save), _load)


def _facts(root: Path, name: str, stuff: str) -> list[tuple[str, int, int]]:
    """Path, size and time of every existing file that may be read."""
    folder = root / "annotations"
    maps = [place / f"panoptic_{name}" for place in (folder, root)] if stuff == "panoptic" else []
    files = [folder / f"instances_{name}.json", folder / f"{stuff}_{name}.json", root / ARCHIVE]
    files += [root / name] if stuff == "none" else []
    files += [file for place in maps if place.is_dir() for file in sorted(place.iterdir())]
    return facts_of(file for file in files if file.is_file())


def _save(file: Path, segments: Segments) -> None:
    plain = {
        "files": segments.images.files,
        "licenses": segments.licenses.of_images,
        "terms": segments.licenses.terms,
        "ids": segments.ids,
        "names": segments.names,
        "things": segments.things,
        "tally": asdict(segments.tally),
    }
    arrays = {name: getattr(segments, name) for name in ("image", "category", "boxes", "areas")}
    with file.open("wb") as out:
        np.savez(
            out,
            **arrays,
            image_ids=segments.images.ids,
            sizes=segments.images.sizes,
            runs=np.frombuffer(b"".join(segments.runs), dtype=np.uint8),
            run_ends=np.cumsum([0, *map(len, segments.runs)]),
            told=np.frombuffer(to_json(plain).encode(), dtype=np.uint8),
        )


def _load(file: Path) -> Segments:
    arrays = read_arrays(file)
    with undamaged(file):
        plain = json.loads(arrays["told"].tobytes())
        runs, ends = arrays["runs"].tobytes(), arrays["run_ends"].tolist()
        terms = {int(number): License(*named) for number, named in plain["terms"].items()}
        return Segments(
            images=Images(arrays["image_ids"], arrays["sizes"], plain["files"]),
            licenses=Licenses(plain["licenses"], terms),
            image=arrays["image"],
            category=arrays["category"],
            boxes=arrays["boxes"],
            areas=arrays["areas"],
            runs=[runs[first:end] for first, end in pairwise(ends)],
            ids=plain["ids"],
            names=tuple(plain["names"]),
            things=plain["things"],
            tally=Tally(**plain["tally"]),
        )
