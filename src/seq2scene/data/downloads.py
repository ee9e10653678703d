"""Downloads of published files: resumed after a broken connection, verified, and never repeated."""

import gzip
import hashlib
import json
import logging
import os
import shutil
import ssl
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from seq2scene.caching import draft
from seq2scene.errors import UserError
from seq2scene.json_text import to_json

log = logging.getLogger(__name__)

MANIFEST = "downloads.json"
CHUNK = 1 << 20
TIMEOUT = 30  # seconds without a byte
PASSING = (408, 425, 429, 500, 502, 503, 504)  # HTTP statuses that are worth a retry
BROKEN_CONNECTION = (URLError, TimeoutError, ConnectionError, HTTPException, ssl.SSLError)


@dataclass(frozen=True)
class DataFile:
    """A published file and its path under the root of the data.

    sha256, size (in bytes): of the file as published; None if unknown. If ``path`` ends in .gz and ``url``
    does not, the file is compressed with gzip once it has been verified.
    """

    url: str
    path: str
    sha256: str | None = None
    size: int | None = None

    @property
    def packed(self) -> bool:
        return self.path.endswith(".gz") and not self.url.endswith(".gz")


@dataclass
class Report:
    """What ``fetch_all`` did, as paths under the root."""

    fetched: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)  # were there but wrong, and were fetched again


class _Retry(Exception):
    """An attempt failed, but another may succeed."""


class _Wrong(Exception):
    """A file is not the published one."""


def fetch_all(files: Sequence[DataFile], root: Path, attempts: int = 4, pause: float = 1.0) -> Report:
    """Downloads every file to its path under ``root``, with a progress bar.

    A file that is complete is left alone; a damaged one is fetched again. A partial download (``.part``) is
    resumed if the server can. A file without a published checksum is recorded in a manifest when first seen,
    and verified against it later. A broken connection is retried, ``attempts`` times in all, after ``pause``,
    2 ``pause``, 4 ``pause`` ... seconds.

    Raises:
        UserError: a file cannot be fetched, or is not the published one; names its address and its path.
    """
    report = Report()
    with progress_bars() as progress:
        try:
            for number, file in enumerate(files, start=1):
                task = progress.add_task(f"{number}/{len(files)} {file.path}", total=file.size)
                _bring(file, root, attempts, pause, report, _Bar(progress, task))
                progress.remove_task(task)
        except OSError as error:  # of the disk: those of the network are handled further in
            raise UserError(f"cannot write below {root}: {error}") from error
    return report


def bytes_to_come(files: Sequence[DataFile], root: Path) -> int:
    """How many bytes ``fetch_all`` will fetch of the missing files whose size is known."""
    left = 0
    for file in files:
        place = root / file.path
        if file.size is not None and not place.exists():
            part = _part(place)
            left += file.size - (part.stat().st_size if part.exists() else 0)
    return left


def _part(place: Path) -> Path:
    """The path of a file while it is being fetched."""
    return place.with_name(place.name + ".part")


def _bring(file: DataFile, root: Path, attempts: int, pause: float, report: Report, bar: "_Bar") -> None:
    place = root / file.path
    was_there = place.exists()
    if was_there and _is_whole(file, root):
        report.kept.append(file.path)
        return
    if was_there:
        log.warning("%s is damaged: it is fetched again", place)
        report.damaged.append(file.path)
    place.parent.mkdir(parents=True, exist_ok=True)
    _persist(file, root, attempts, pause, bar)
    report.fetched.append(file.path)


def _persist(file: DataFile, root: Path, attempts: int, pause: float, bar: "_Bar") -> None:
    """Retries until the file is in place."""
    for attempt in range(attempts):
        try:
            _attempt(file, root, bar)
            return
        except _Retry as error:
            reason = str(error)
            if attempt + 1 < attempts:
                log.info("%s: %s; trying again", file.path, reason)
                time.sleep(pause * 2**attempt)
    raise _failure(file, root, f"{reason} ({attempts} attempts)")


def _failure(file: DataFile, root: Path, reason: str) -> UserError:
    packed = ", gzip-compressed," if file.packed else ""
    return UserError(
        f"cannot fetch {file.url}: {reason}. Run this again to go on from what has come so far; or put the "
        f"file{packed} at {root / file.path} by hand and run this again to verify it"
    )


# One attempt


def _attempt(file: DataFile, root: Path, bar: "_Bar") -> None:
    place = root / file.path
    part = _part(place)
    continued = part.exists()
    try:
        _download(file.url, part, bar)
    except HTTPError as error:
        _refuse(error, part, file, root)
    except BROKEN_CONNECTION as error:
        raise _Retry(f"the connection failed: {getattr(error, 'reason', None) or error}") from error
    with part.open("rb") as stream:
        size, sha256 = _measure(stream)
    try:
        _check(file, root, size, sha256)
    except _Wrong as error:
        _throw_away(part)
        if continued:  # the old part may be wrong
            raise _Retry(str(error)) from error
        raise _failure(file, root, str(error)) from error
    _remember(file, root, size, sha256)
    _settle(part, place, file.packed)


def _refuse(error: HTTPError, part: Path, file: DataFile, root: Path) -> None:
    """Raises the error that an HTTP status means; returns if it means that the part is complete."""
    reason = f"the server says {error.code} {error.reason}"
    if error.code == 416:  # there is nothing beyond the bytes that are here
        if error.headers.get("Content-Range") == f"bytes */{part.stat().st_size}":
            return
        _throw_away(part)
        raise _Retry(reason) from error
    raise _Retry(reason) if error.code in PASSING else _failure(file, root, reason)


def _download(url: str, part: Path, bar: "_Bar") -> None:
    """Fetches the rest of ``part``, or everything if the server cannot resume or its file has changed."""
    etag = part.with_name(part.name + ".etag")
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "seq2scene", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if etag.exists():
            headers["If-Range"] = etag.read_text()
    with urlopen(Request(url, headers=headers), timeout=TIMEOUT) as response:
        if response.status != 206:
            have = 0
            _keep_etag(response, etag)
        expected = response.headers.get("Content-Length")
        total = None if expected is None else have + int(expected)
        bar.start(have, total)
        with part.open("ab" if have else "wb") as out:
            _copy(response, out, bar.advance)
    if total is not None and part.stat().st_size < total:
        raise ConnectionError(f"it ended after {part.stat().st_size:,} of {total:,} bytes")


def _keep_etag(response: HTTPResponse, etag: Path) -> None:
    """Saves a strong ETag, by which a resumed download knows that the file is still the same."""
    value = response.headers.get("ETag", "")
    if value.startswith('"'):
        etag.write_text(value)
    else:
        etag.unlink(missing_ok=True)


def _copy(source: IO[bytes], out: IO[bytes], advance: Callable[[int], None]) -> None:
    while chunk := source.read(CHUNK):
        out.write(chunk)
        advance(len(chunk))


def _settle(part: Path, place: Path, packed: bool) -> None:
    """Moves the verified part to its place in one step, so that a file in place is always complete."""
    if packed:
        with draft(place) as squeezed, part.open("rb") as source, gzip.open(squeezed, "wb") as out:
            shutil.copyfileobj(source, out, CHUNK)
    else:
        os.replace(part, place)
    _throw_away(part)


def _throw_away(part: Path) -> None:
    part.unlink(missing_ok=True)
    part.with_name(part.name + ".etag").unlink(missing_ok=True)


# Sizes and checksums


def _measure(stream: IO[bytes] | gzip.GzipFile) -> tuple[int, str]:
    """Size and SHA-256 of the contents of a stream."""
    size, digest = 0, hashlib.sha256()
    while chunk := stream.read(CHUNK):
        size += len(chunk)
        digest.update(chunk)
    return size, digest.hexdigest()


def _is_whole(file: DataFile, root: Path) -> bool:
    """Whether the file in place is the published one; a file never seen before is trusted and recorded."""
    open_it = gzip.open if file.packed else open
    try:
        with open_it(root / file.path, "rb") as stream:
            size, sha256 = _measure(stream)
        _check(file, root, size, sha256)
    except (_Wrong, EOFError, zlib.error, gzip.BadGzipFile):
        return False
    _remember(file, root, size, sha256)
    return True


def _check(file: DataFile, root: Path, size: int, sha256: str) -> None:
    """Raises ``_Wrong`` unless size and checksum are the published ones, or else those of the manifest."""
    known = _read_manifest(root).get(file.path, {}) if file.sha256 is None else {}
    for what, expected, found in (
        ("size", file.size or known.get("size"), size),
        ("SHA-256", file.sha256 or known.get("sha256"), sha256),
    ):
        if expected not in (None, found):
            raise _Wrong(f"it has {what} {found}, not {expected}")


def _remember(file: DataFile, root: Path, size: int, sha256: str) -> None:
    """Records a file without a published checksum in the manifest."""
    manifest = _read_manifest(root)
    if file.sha256 is not None or file.path in manifest:
        return
    manifest[file.path] = {"url": file.url, "size": size, "sha256": sha256}
    with draft(root / MANIFEST) as new:
        new.write_text(to_json(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _read_manifest(root: Path) -> dict[str, dict]:
    path = root / MANIFEST
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path} is not JSON ({error}): fix it, or delete it to record the files anew"
        ) from error
    if not isinstance(found, dict) or not all(isinstance(known, dict) for known in found.values()):
        raise UserError(f"{path} is no list of files with their sizes: remove it to record the files anew")
    return found


# The progress bar


@dataclass
class _Bar:
    progress: Progress
    task: TaskID

    def start(self, completed: int, total: int | None) -> None:
        self.progress.update(self.task, completed=completed, total=total)

    def advance(self, count: int) -> None:
        self.progress.advance(self.task, count)


def progress_bars() -> Progress:
    """A progress bar in bytes, on stderr, removed at the end."""
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    return Progress(*columns, console=Console(stderr=True), transient=True)
