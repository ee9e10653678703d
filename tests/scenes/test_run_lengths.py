"""Masks as run lengths: what is written is read again, as pycocotools has it. What is refused is tested where
annotations are read (``test_coco_masks``).
"""

from array import array

import numpy as np
import pytest
from pycocotools import mask as coco
from scipy import ndimage

from seq2scene.scenes.run_lengths import area, checked_runs, decoded, encoded, unpacked


@pytest.fixture(params=[0, 0.7, 3, 30])
def mask(request) -> np.ndarray:
    """From noise to a few blots."""
    rng = np.random.default_rng(0)
    return ndimage.gaussian_filter(rng.normal(size=(70, 90)), request.param) > 0


def test_a_mask_comes_back(mask) -> None:
    runs = encoded(mask)
    found = decoded(runs, 90, 70)
    assert found.dtype == bool and (found == mask).all() and area(runs, 90, 70) == mask.sum()
    assert runs == coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]


def test_compressed_counts_are_read_as_pycocotools_writes_them(mask) -> None:
    lengths = unpacked(encoded(mask))
    turns = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    assert (mask == turns.reshape(90, 70).T).all()


def test_what_is_no_compressed_count_is_none() -> None:
    assert unpacked(b"") is None and unpacked(b"0d") is None and unpacked(b"\x01\xff") is None


def test_lists_of_counts_and_compressed_ones_are_the_same_runs(mask) -> None:
    runs = encoded(mask)
    forms = [{"size": [70, 90], "counts": counts} for counts in (runs, array("q", unpacked(runs)))]
    assert [checked_runs(form, 90, 70, "here") for form in forms] == [runs, runs]
