"""Whatever unpacks a file stops at a bomb: at far more bytes than data shrink to."""

import gzip
import io
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest

from seq2scene import unpacking
from seq2scene.arrays import read_arrays
from seq2scene.compositing.packed_store import PACKED, open_patches
from seq2scene.data.archives import unpack
from seq2scene.data.coco.annotations import ARCHIVE, read_captions
from seq2scene.errors import UserError
from seq2scene.sequences.lines import each_line, read_json, read_text
from seq2scene.unpacking import gunzipped

ZEROS = b"0" * 10**6


def squeezed(path: Path, entry: str = "a/zeros") -> None:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        archive.writestr(entry, ZEROS)


def test_a_bomb_is_refused_by_every_reader(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(unpacking, "HARMLESS", 10**4)
    packed, archive = tmp_path / PACKED, tmp_path / ARCHIVE
    packed.write_bytes(gzip.compress(ZEROS))
    squeezed(archive, "annotations/captions.json")
    np.savez_compressed(tmp_path / "zeros.npz", words=np.zeros(10**5))
    for path, read in {
        packed: (
            read_text,
            read_json,
            lambda path: list(each_line(path)),
            lambda path: open_patches(tmp_path),
        ),
        archive: (lambda path: unpack(path, tmp_path / "root"),),
        tmp_path / "zeros.npz": (read_arrays,),
        tmp_path / "annotations" / "captions.json": (read_captions,),
    }.items():
        for one in read:
            with pytest.raises(UserError, match=r"(zeros|trainval|segments).*: 0\.0 MB that .* are no data"):
                one(path)
    assert not (tmp_path / "root").exists()


def test_what_shrinks_as_data_do_is_read_whatever_its_size(monkeypatch) -> None:
    monkeypatch.setattr(unpacking, "HARMLESS", 10**3)
    data = np.random.default_rng(0).integers(2, size=10**5, dtype=np.uint8).tobytes()
    assert gunzipped(io.BytesIO(gzip.compress(data, 1)), "data").read() == data
