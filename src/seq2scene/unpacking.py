"""How much may come out of compressed files: a bomb is refused before it fills the memory or the disk."""

import gzip
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import ZipInfo

from seq2scene.errors import UserError

RATIO, HARMLESS = 100, 2**28  # text shrinks to about a fifth; bytes that may always come out


def require_sizes(archive: Path, entries: Iterable[ZipInfo]) -> None:
    """Raises UserError if ``entries`` of a zip archive are a bomb: if together they have more than
    ``HARMLESS`` bytes and ``RATIO`` times the bytes of the archive.
    """
    unpacked, packed = sum(entry.file_size for entry in entries), archive.stat().st_size
    if unpacked > most(packed):
        raise UserError(
            f"{archive}: {packed / 1e6:.1f} MB that would become {unpacked / 1e6:.0f} MB, more than {RATIO} "
            "times as much, are no data; nothing was unpacked"
        )


def most(packed: int) -> int:
    """How many bytes so many packed ones may become."""
    return max(HARMLESS, RATIO * packed)


def gunzipped(stream: BinaryIO, name: str) -> io.BufferedReader:
    """The contents of a gzip stream, each as soon as it arrives. Reading raises UserError, with the stream's
    name, if they are a bomb, and ``gzip``'s and ``zlib``'s errors if the stream is damaged.
    """
    return io.BufferedReader(_Gunzipped(stream, name), buffer_size=2**20)


class _Gunzipped(io.RawIOBase):
    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.packed, self.name, self.size = _Counted(stream), name, 0
        self.plain = gzip.GzipFile(fileobj=self.packed)  # type: ignore[call-overload]  # it only reads

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.plain.read1(len(buffer))
        self.size += len(data)
        if self.size > (limit := most(self.packed.size)):
            raise UserError(
                f"{self.name}: {self.packed.size / 1e6:.1f} MB that become more than {limit / 1e6:.0f} MB "
                "are no data"
            )
        buffer[: len(data)] = data
        return len(data)


class _Counted:
    """A stream, and how many of its bytes have been read."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream, self.size = stream, 0

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.size += len(data)
        return data
