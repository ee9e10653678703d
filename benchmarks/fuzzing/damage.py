"""Damage to the bytes of a file, and by its structure: to values in JSON, to fields of lines, to members of
archives and to chunks of pictures.
"""

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from seq2scene.json_text import to_json

DEEP = "[" * 3000 + "]" * 3000
ODD_JSON = (
    *("null", "true", "-1", "0", "1", "2", "0.5", "1e400", "-1e400", "NaN", "Infinity", "1e19", "640.0"),
    *(str(2**31), str(2**63 - 1), str(2**63), str(-(2**63) - 1), "9" * 300, "9" * 5000, '""', '"1"'),
    *('"\\u0000"', '"\\ud800"', '"../../x"', '"/etc/passwd"', '"%s"' % ("x" * 5000), '"\\n"', '"${x}"'),
    *("[]", "{}", "[[]]", "[null]", '{"a": 1}', "[1, 2, 3, 4]", "[[1, 2], [3]]", "[" * 300 + "]" * 300, DEEP),
)
ODD_WORDS = (
    *("", "nan", "inf", "-inf", "-1", "0", "1e400", "9" * 30, "9" * 5000, str(2**63), "\u0663", "\xb2", "\0"),
    *(
        "\t",
        "\r",
        "\n\n",
        '"',
        "'",
        ",",
        ",,,",
        "-",
        "p",
        "{}",
        "[" * 2000,
        "\ufeff",
        "x" * 200_000,
        "../../x",
    ),
)


def damaged(data: bytes, kind: str, draw: random.Random) -> bytes:
    """``data`` with one to three damages. kind: json, text, zip, png, or bytes, which has no structure."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        damage = STRUCTURED.get(kind, _bytes) if draw.random() < 0.7 else _bytes
        try:
            data = damage(data, draw)
        except Exception:  # it has no structure any more
            data = _bytes(data, draw)
    return data


def _bytes(data: bytes, draw: random.Random) -> bytes:
    changed, size = bytearray(data), len(data)
    place, end = sorted(draw.randrange(size + 1) for _ in range(2))
    match draw.randrange(8):
        case 0 if size:
            changed[draw.randrange(size)] ^= 1 << draw.randrange(8)
        case 1 if size:
            changed[draw.randrange(size)] = draw.choice((0, 10, 13, 34, 127, 128, 255))
        case 2:
            del changed[place:]
        case 3:
            del changed[place:end]
        case 4:
            changed[place:place] = changed[place:end]
        case 5:
            changed[place:place] = draw.randbytes(draw.choice((1, 2, 4, 100)))
        case 6:
            changed[place : place + 4] = struct.pack("<I", draw.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1)))
        case _:
            return (
                draw.randbytes(draw.choice((0, 1, 10, 1000))) if draw.random() < 0.2 else bytes(changed[::-1])
            )
    return bytes(changed)


def _text(data: bytes, draw: random.Random) -> bytes:
    """Another word, field or line."""
    separator = draw.choice((b" ", b"\t", b"\n", b",", b"-"))
    parts = data.split(separator)
    place = draw.randrange(len(parts))
    match draw.randrange(5):
        case 0:
            del parts[place]
        case 1:
            parts.insert(place, parts[place])
        case _:
            parts[place] = draw.choice(ODD_WORDS).encode()
    return separator.join(parts)


def _json(data: bytes, draw: random.Random) -> bytes:
    """Another value, or a key less, somewhere; of lines of JSON, in one of them."""
    lines = data.split(b"\n")
    number = draw.randrange(len(lines)) if all(line.startswith(b"{") or not line for line in lines) else None
    whole = json.loads(data if number is None else lines[number])
    places = list(_places(whole))
    if not places:
        return _bytes(data, draw)
    holder, key = draw.choice(places)
    if draw.random() < 0.15:
        del holder[key]
    else:
        holder[key] = "@ODD@"
    made = to_json(whole).replace('"@ODD@"', draw.choice(ODD_JSON)).encode()
    if number is None:
        return made
    lines[number] = made
    return b"\n".join(lines)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _zip(data: bytes, draw: random.Random) -> bytes:
    """A damaged member, or another name, with the right checksum."""
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        members = [(entry.filename, zipped.read(entry)) for entry in zipped.infolist()]
    place = draw.randrange(len(members))
    name, content = members[place]
    if draw.random() < 0.15:
        name = draw.choice(
            (".", "..", "/", "a/..", "../x", "/x", "a/../../x", "x" * 300, "\\x", "C:x", "a/", "a")
        )
        members[place] = (name, content)
    elif draw.random() < 0.1:
        del members[place]
    else:
        kind = "json" if name.endswith(".json") else "bytes"
        members[place] = (name, damaged(content, kind, draw))
    return zipped_bytes(members)


def _png(data: bytes, draw: random.Random) -> bytes:
    """A damaged chunk with the right checksum."""
    chunks, place = [], 8
    while place + 8 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    if not chunks:
        return _bytes(data, draw)
    number = draw.randrange(len(chunks))
    chunks[number] = (chunks[number][0], _bytes(chunks[number][1], draw))
    body = (
        struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks
    )
    return data[:8] + b"".join(body)


STRUCTURED = {"json": _json, "text": _text, "zip": _zip, "png": _png}


def zipped_bytes(members: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        for name, content in members:
            zipped.writestr(name, content)
    return out.getvalue()
