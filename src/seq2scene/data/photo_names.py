"""Names of photos: the same photo in a table of captions and in the export of an annotation tool."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from seq2scene.data.tables import Row
from seq2scene.errors import UserError

# Roboflow: dog.jpg -> dog_jpg.rf.HASH.jpg, one for each version that it makes of a photo
VERSION = re.compile(r"(.+)_(\w+)\.rf\.[^/.]+\.\w+")
UPLOAD = re.compile(r"((?:.*/)?)[0-9a-f]{8}-([^/]+)")  # Label Studio: dog.jpg -> 1a2b3c4d-dog.jpg


def photo_name(name: str) -> str:
    """The name of a photo's file in the form in which names are compared."""
    return str(PurePosixPath(name.replace("\\", "/")))


def original_name(name: str) -> str:
    """What a photo was called before it was uploaded to an annotation tool."""
    if found := VERSION.fullmatch(name):
        return f"{found[1]}.{found[2]}"
    found = UPLOAD.fullmatch(name)
    return found[1] + found[2] if found else name


def match_photos(
    wanted: Mapping[str, Row], files: Sequence[str], originals: Sequence[str], path: object
) -> dict[str, list[int]]:
    """The photos, by their numbers among ``files``, that each name of a table means: those of this name, or
    else of this name but for the folder, or else of this ``originals``; several only if they are versions of
    one photo. Names without a photo are left out.

    wanted: the rows of a table by the name in them. path: of the file that lists the photos, for messages.
    Raises UserError, with the row, if a name may mean several photos.
    """
    bases = Counter(map(base, wanted))
    names = [photo_name(file) for file in files]
    by_name = [_places(names), _places(map(base, names)), _places(originals), _places(map(base, originals))]
    found = {}
    for name, row in wanted.items():
        same, *others = (places.get(name) for places in by_name[::2])
        alike = [same, *others]
        if bases[base(name)] == 1:
            alike = [same, by_name[1].get(base(name)), *others, by_name[3].get(base(name))]
        meant = next(filter(None, alike), None)
        if meant is None:
            continue
        if len(meant) > 1 and not all(VERSION.fullmatch(names[place]) for place in meant):
            first, second = (files[place] for place in meant[:2])
            raise row.wrong(f"{name} may be {first} or {second} of {path}; write it with its folder")
        found[name] = meant
    if not found:
        name, row = next(iter(wanted.items()))
        raise UserError(
            f"{row.where}: none of the photos of this table is in {path}; here the first is called {name!r}, "
            f"there {next(iter(files), None)!r}"
        )
    return found


def base(name: str) -> str:
    return name.rpartition("/")[2]


def _places(names) -> dict[str, list[int]]:
    found = defaultdict(list)
    for place, name in enumerate(names):
        found[name].append(place)
    return found
