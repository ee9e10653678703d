"""Pretrained word vectors for a vocabulary."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seq2scene.arrays import read_arrays
from seq2scene.errors import UserError
from seq2scene.sequences.lines import each_line
from seq2scene.sequences.vocabulary import Vocabulary

HEADER = re.compile(r"\d+ (\d+)\s*")  # of fastText's format: words and dimensions


def read_word_vectors(path: Path, vocabulary: Vocabulary) -> tuple[Tensor, int]:
    """Vectors (V, E) float32, zero for words without one and for special symbols, and how many words have
    one. The file is text, plain or gzip, as GloVe's (a word and its numbers per line) or fastText's (the same
    after a line with the numbers of words and of dimensions), or an npz with ``words`` and ``vectors``.

    Raises:
        UserError: the file is missing, is damaged, has neither format, or has a value that is not a finite
            number.
    """
    path = path.expanduser()
    if not path.is_file():
        raise UserError(
            f"data.word_vectors={path}: there is no such file; data.word_vectors=null learns word vectors "
            "with the model"
        )
    known = {
        token: number for number, token in enumerate(vocabulary.state()["tokens"]) if token in vocabulary
    }
    read = _from_npz if path.suffix == ".npz" else _from_text
    found: Mapping[int, Sequence[float] | np.ndarray] = read(path, known)
    if not found:
        raise UserError(
            f"data.word_vectors={path}: none of the {len(known)} words of this data has a vector there"
        )
    vectors = torch.zeros(len(vocabulary), len(next(iter(found.values()))))
    for number, vector in found.items():
        vectors[number] = torch.from_numpy(np.asarray(vector, dtype=np.float32))
    return vectors, len(found)


def _from_npz(path: Path, known: dict[str, int]) -> dict[int, np.ndarray]:
    arrays = read_arrays(path)
    if not {"words", "vectors"} <= arrays.keys():
        raise UserError(f"data.word_vectors={path}: an npz must hold words and vectors, not {[*arrays]}")
    words, vectors = arrays["words"], arrays["vectors"]
    if words.ndim != 1 or words.dtype.kind != "U":
        raise UserError(
            f"data.word_vectors={path}: words must be texts (V,), not {words.dtype} {words.shape}"
        )
    if vectors.shape[:1] != words.shape or vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        raise UserError(
            f"data.word_vectors={path}: vectors must be numbers ({len(words)}, E), not {vectors.dtype} "
            f"{vectors.shape}"
        )
    found = {row: known[word] for row, word in enumerate(words.tolist()) if word in known}
    for row in found:
        if not _is_finite(vectors[row]):
            raise UserError(
                f"data.word_vectors={path}: the vector of {str(words[row])!r} (row {row}) is not finite"
            )
    return {number: vectors[row] for row, number in found.items()}


def _from_text(path: Path, known: dict[str, int]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    size = None
    for number, line in enumerate(each_line(path, strict=False), start=1):
        if number == 1 and (header := HEADER.fullmatch(line)):
            size = int(header[1]) - 1
            continue
        word, _, numbers = line.rstrip().partition(" ")
        size = numbers.count(" ") if size is None else size
        # glove.840B.300d has "words" with a space in them: "at name@domain.com"
        if word in known and numbers.count(" ") == size:
            try:
                vector = [float(value) for value in numbers.split(" ")]
            except ValueError as error:
                raise UserError(
                    f"data.word_vectors={path}, line {number}: no word and its numbers"
                ) from error
            if not _is_finite(vector):
                raise UserError(
                    f"data.word_vectors={path}, line {number}: the vector of {word!r} is not finite"
                )
            found[known[word]] = vector
    return found


def _is_finite(vector: np.ndarray | list[float]) -> bool:
    """Whether all values are finite as float32."""
    with np.errstate(over="ignore"):
        return bool(np.isfinite(np.asarray(vector, dtype=np.float32)).all())
