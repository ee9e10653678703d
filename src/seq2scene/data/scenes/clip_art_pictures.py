"""Folders of clip art: transparent PNG files, one for each class of objects, NAME.png, or one for each of its
variants, NAME_VALUE.png, NAME_VALUE_VALUE.png ...
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from io import BytesIO
from itertools import combinations, product
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from seq2scene.data.messages import some
from seq2scene.data.scenes.abstract_files import opaque_size
from seq2scene.data.scenes.scene_tables import TableObject
from seq2scene.errors import UserError
from seq2scene.scenes.images import readable
from seq2scene.scenes.sprites import BACKGROUND, variant_name
from seq2scene.sequences.lines import read_bytes


class ClipArtFolder:
    """The PNG files of a folder. Raises UserError if there are none, and where a picture is missing or
    damaged.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UserError(
                f"{folder}: there is no such folder; data.pngs is that of the pictures, in data.root"
            )
        self.folder = folder
        self.files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".png"}
        if not self.files:
            raise UserError(f"{folder}: there is no PNG file in this folder; a picture is called NAME.png")

    def canvas(self) -> tuple[int, int]:
        """Width and height of the background."""
        if BACKGROUND not in self.files:
            raise UserError(
                f"{self.folder}: there is no {BACKGROUND}.png, whose size is that of the canvas; add one, or "
                "say how large a white canvas is, in the pixels of the pictures: data.canvas=[500,400]"
            )
        return opened(self.files[BACKGROUND]).size

    def background(self, canvas: tuple[int, int]) -> Tensor:
        """A PNG file as bytes (n,) uint8; white if there is none."""
        if BACKGROUND in self.files:
            return self._bytes(self.files[BACKGROUND])
        white = BytesIO()
        Image.new("RGB", canvas, "white").save(white, "PNG")
        return torch.frombuffer(bytearray(white.getvalue()), dtype=torch.uint8)

    def read(
        self,
        objects: Mapping[str, Sequence[TableObject]],
        values: Mapping[str, Sequence[str]],
        report: Callable[..., None],
    ) -> tuple[tuple[str, ...], dict[str, Tensor], Tensor]:
        """The attributes that pictures depend on; the pictures by the names that ``sprites.picture_name``
        gives them, as bytes (n,) uint8; the sizes of their opaque parts, as in ``Schema``.

        objects: of each class. values: of each attribute that counts. report: logs pictures that are not
        used, and those without transparent parts.
        """
        depends = {name: self._dependence(name, there, values) for name, there in objects.items()}
        of_pictures = {attribute for of in depends.values() for attribute in of}
        variants = tuple(name for name, known in values.items() if len(known) > 1 and name in of_pictures)
        shape = [len(values[name]) for name in variants]
        sizes, pictures, used = torch.zeros(len(objects), *shape, 2), {}, set()
        for number, (name, there) in enumerate(objects.items()):
            known = sorted({tuple(one.attributes[attribute] for attribute in depends[name]) for one in there})
            varies = not {*variants}.isdisjoint(depends[name])
            for variant, place in enumerate(product(*map(range, shape))):
                chosen = {v: values[v][at] for v, at in zip(variants, place, strict=True)}
                own = [chosen.get(attribute, values[attribute][0]) for attribute in depends[name]]
                file = self._nearest(name, own, known)
                pictures[variant_name(name, variant) if varies else f"{name}s"] = self._bytes(file)
                sizes[number, *place] = opaque_size(file)
                used.add(file.stem)
        if whole := [stem for stem in sorted(used) if not opened(self.files[stem]).has_transparency_data]:
            report("%d pictures have no transparent part and cover rectangles: %s", len(whole), some(whole))
        if unused := sorted(self.files.keys() - used - {BACKGROUND}):
            report("%d pictures are of nothing in the training table: %s", len(unused), some(unused))
        return variants, pictures, sizes

    def _dependence(
        self, name: str, objects: Sequence[TableObject], counting: Collection[str]
    ) -> tuple[str, ...]:
        """The attributes that the picture of a class depends on: the fewest by which there are pictures for
        all its objects. Raises UserError if one of them is not among those ``counting``.
        """
        every = objects[0].attributes
        own = [key for key in every if key in counting]
        if (found := self._fewest(name, objects, own)) is not None:
            return found
        if (found := self._fewest(name, objects, list(every))) is not None:
            lacking = ", ".join(key for key in found if key not in counting)
            raise UserError(
                f"{self.folder}: the pictures of {name} are told apart by {lacking}, which data.attributes "
                f"leaves out: name it there too, or add {name}.png"
            )
        stems = [stem_of(name, [one.attributes[key] for key in own]) for one in objects]
        stem, one = next(pair for pair in zip(stems, objects, strict=True) if pair[0] not in self.files)
        near = get_close_matches(stem, self.files, 3) or sorted(self.files)
        either = f"{name}.png" if stem == name else f"either {name}.png or {stem}.png"
        raise one.row.wrong(f"there is no picture of it in {self.folder}, {either}; there are {some(near)}")

    def _fewest(
        self, name: str, objects: Sequence[TableObject], attributes: Sequence[str]
    ) -> tuple[str, ...] | None:
        """The fewest of the ``attributes`` by which there are pictures of all objects of a class, or None."""
        for count in range(len(attributes) + 1):
            for chosen in combinations(attributes, count):
                if all(
                    stem_of(name, [one.attributes.get(key, "") for key in chosen]) in self.files
                    for one in objects
                ):
                    return chosen
        return None

    def _nearest(self, name: str, choice: Sequence[str], known: Sequence[Sequence[str]]) -> Path:
        """The picture of a class with these values of its attributes, or else the one of its ``known``
        pictures with as many of them as possible, as training need not have all combinations.
        """
        if (stem := stem_of(name, choice)) in self.files:
            return self.files[stem]
        same = [sum(map(str.__eq__, choice, values)) for values in known]
        return self.files[stem_of(name, known[int(np.argmax(same))])]

    def _bytes(self, file: Path) -> Tensor:
        opened(file)
        return torch.frombuffer(bytearray(read_bytes(file)), dtype=torch.uint8)


def stem_of(name: str, values: Sequence[str]) -> str:
    """The name of a picture's file, without ".png"."""
    return "_".join([name, *values])


def opened(file: Path) -> Image.Image:
    """A PNG file, its pixels not yet read. Raises UserError if it is none."""
    with readable(file):
        return Image.open(BytesIO(read_bytes(file)), formats=["PNG"])
