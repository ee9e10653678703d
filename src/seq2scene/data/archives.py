"""Zip archives of published data, verified and unpacked below the folder where the data is read."""

import logging
import os
import shutil
import stat
import struct
import tempfile
import zlib
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from seq2scene.data.downloads import CHUNK, MANIFEST, progress_bars
from seq2scene.errors import UserError
from seq2scene.unpacking import require_sizes

log = logging.getLogger(__name__)

NOT_DATA = "__MACOSX"  # a folder that macOS adds to archives
# Or of an unsupported format. ValueError: names and sizes in damaged headers.
DAMAGE = (BadZipFile, EOFError, zlib.error, struct.error, NotImplementedError, RuntimeError, ValueError)


def unpack(archive: Path, root: Path) -> tuple[int, int]:
    """Unpacks every file of a zip archive under ``root``, with a progress bar; a single top-level folder is
    stripped from the paths.

    Files that are already there with the archive's size and checksum stay; others by these names are
    replaced, and files that are not in the archive are left alone. Missing ones are first unpacked into a
    draft folder, where their checksums are verified, and then renamed, so that a file in place is always
    complete. Returns how many files were unpacked and how many were already there.

    Raises:
        UserError: the archive is missing or damaged, an entry is a link or would be outside ``root``, the
        archive is a bomb (``require_sizes``), or the disk cannot be written to.
    """
    try:
        with ZipFile(archive) as zipped:
            places = _places(archive, zipped, root)
            missing = {place: entry for place, entry in places.items() if not _is_there(place, entry)}
            for place in filter(Path.exists, missing):
                log.warning("%s is not as in %s: it is unpacked again", place, archive.name)
            if missing:
                _draft_and_rename(zipped, missing, root, archive.name)
    except FileNotFoundError as error:
        raise UserError(f"{error.filename or archive}: there is no such file") from error
    except DAMAGE as error:
        raise UserError(
            f"{archive} cannot be unpacked: {error}. Remove it and {archive.parent / MANIFEST}, which may "
            "know it as it is now, and run this again to fetch it anew"
        ) from error
    except OSError as error:
        raise UserError(f"cannot unpack {archive} below {root}: {error}") from error
    return len(missing), len(places) - len(missing)


def _places(archive: Path, zipped: ZipFile, root: Path) -> dict[Path, ZipInfo]:
    """The path of each file of the archive."""
    require_sizes(archive, zipped.infolist())
    files = (entry for entry in zipped.infolist() if not entry.filename.endswith("/"))
    names = {PurePosixPath(entry.filename): entry for entry in files}
    names = {name: entry for name, entry in names.items() if name.parts[:1] != (NOT_DATA,)}
    for name, entry in names.items():
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise UserError(f"{archive}: its entry {name} is a link; nothing was unpacked")
        if (
            not name.parts
            or name.is_absolute()
            or ".." in name.parts
            or "\\" in str(name)
            or ":" in name.parts[0]
        ):
            raise UserError(f"{archive}: its entry {name} would lie outside {root}; nothing was unpacked")
    tops = {name.parts[0] for name in names}
    inside = len(tops) == 1 and all(len(name.parts) > 1 for name in names)
    return {root.joinpath(*name.parts[inside:]): entry for name, entry in names.items()}


def _is_there(place: Path, entry: ZipInfo) -> bool:
    if not place.is_file() or place.stat().st_size != entry.file_size:
        return False
    found = 0
    with place.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            found = zlib.crc32(chunk, found)
    return found == entry.CRC


def _draft_and_rename(zipped: ZipFile, missing: dict[Path, ZipInfo], root: Path, name: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=".unpacked-", dir=root) as draft,
        progress_bars() as progress,
    ):
        task = progress.add_task(name, total=sum(entry.file_size for entry in missing.values()))
        for number, entry in enumerate(missing.values()):
            with zipped.open(entry) as source, (Path(draft) / str(number)).open("wb") as out:
                shutil.copyfileobj(source, out, CHUNK)  # which verifies the checksum at the end
            progress.advance(task, entry.file_size)
        for number, place in enumerate(missing):
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(draft) / str(number), place)
