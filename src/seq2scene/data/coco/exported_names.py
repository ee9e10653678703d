"""Photos by the names that annotation tools export: paths of another machine, addresses, escaped names."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from seq2scene.data.coco.entries import file_within
from seq2scene.data.photo_names import base, photo_name
from seq2scene.scenes.images import LONGEST_NAME

SCHEME = re.compile(r"[A-Za-z][\w+.-]+://")  # two letters or more, unlike the drives of Windows
OUT = re.compile(r"\.\.|[A-Za-z][\w+.-]*:")  # parts of a path that lead out of its folder, as C: and https:
LOCAL = re.compile(r"(?:^|/)\?d=([^&]*)")  # Label Studio's local files: /data/local-files/?d=folder/dog.jpg


def plain_name(name: str) -> str:
    """The path in an exported name, without scheme, query and escapes."""
    return _readings(name)[-1]


def find_photo(folder: Path, name: str, where: Path) -> Path:
    """The photo in ``folder`` that has the longest end of the path in an exported name, which may be the name
    of the file alone; if there is none, the place where it is missing.

    where: the export, for messages. Raises UserError if no file can have this name.
    """
    for reading in _readings(name):
        for end in _ends(reading):
            if len(end.encode()) <= LONGEST_NAME and (folder / end).is_file():
                return folder / end
    path = photo_name(name)
    relative = path == next(_ends(name), "")
    return file_within(folder, path if relative else base(photo_name(plain_name(name))), where)


def _readings(name: str) -> list[str]:
    """The paths that a name may mean, first as it stands. A name with a slash in its query is not among them,
    as the end of the query is no name of a file.
    """
    scheme, local = SCHEME.match(name), LOCAL.search(name)
    path, _, query = name[scheme.end() if scheme else 0 :].partition("?")
    if local is not None:
        found = [local[1]]
    elif scheme or name.startswith("/"):
        found = [path] if "/" in query or "\\" in query else [name, path]
    else:
        found = [name]
    return list(dict.fromkeys([*found, unquote(found[-1])]))


def _ends(path: str) -> Iterator[str]:
    """The ends of a path, the longest first, none with a part that leads out of its folder."""
    parts: list[str] = []
    for part in path.replace("\\", "/").split("/"):
        if OUT.fullmatch(part):
            parts = []
        elif part not in ("", "."):
            parts.append(part)
    return ("/".join(parts[first:]) for first in range(len(parts)))
