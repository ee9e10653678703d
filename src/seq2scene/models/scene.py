"""Scenes that a model has written: objects in order, and where in the text each was looked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from seq2scene.caching import draft
from seq2scene.errors import UserError
from seq2scene.json_text import to_json
from seq2scene.plotting.animation import save_animation
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.scene_edits import moved, without
from seq2scene.scenes.scene_json import PlainObject, to_plain
from seq2scene.scenes.schema import Schema

if TYPE_CHECKING:
    from seq2scene.compositing.pasting import Edges
    from seq2scene.models.scene_writer import SceneWriter

SCALE = 2.0  # pixels of a saved picture for each unit of the canvas


@dataclass(frozen=True)
class Written:
    """Scenes generated for B texts, N for each, best first.

    objects: those of all B * N scenes, the N of a text adjacent. object_attention, attribute_attention: (B *
    N, T, W), the attention over words when each object was chosen and when it was placed; None without
    attention. log_probs: (B, N), of the objects' classes, including given ones and END, and with
    ``search.whole_objects`` also of their attributes and places.
    """

    objects: Objects
    object_attention: Tensor | None
    attribute_attention: Tensor | None
    log_probs: Tensor

    @classmethod
    def together(cls, several: Sequence[Self]) -> Self:
        """Several results for the same B texts as one: for each text, the scenes of the first result, then
        those of the second, and so on.
        """
        texts, steps = len(several[0].log_probs), max(one.objects.classes.shape[1] for one in several)

        def joined(parts: Sequence[Tensor | None], padding: int = 0) -> Tensor | None:
            there = [part for part in parts if part is not None]
            if len(there) < len(parts):
                return None
            longer = [part.new_full((len(part), steps, *part.shape[2:]), padding) for part in there]
            for new, part in zip(longer, there, strict=True):
                new[:, : part.shape[1]] = part
            return torch.cat([new.view(texts, -1, *new.shape[1:]) for new in longer], 1).flatten(0, 1)

        objects = [one.objects for one in several]
        return cls(
            Objects(
                joined([one.classes for one in objects]),
                joined([one.places for one in objects]),
                {name: joined([one.attributes[name] for one in objects]) for name in objects[0].attributes},
                joined([one.extents for one in objects]),
                joined([one.patches for one in objects], padding=-1),
            ),
            joined([one.object_attention for one in several]),
            joined([one.attribute_attention for one in several]),
            torch.cat([one.log_probs for one in several], 1),
        )

    def chosen(self, which: Tensor) -> Self:
        """Only the scenes ``which`` (B, M), M of each text by their numbers among its N, in that order."""
        first = torch.arange(len(which), device=which.device).unsqueeze(1) * self.log_probs.shape[1]
        rows = (first + which).flatten()
        return replace(self._taken(rows), log_probs=self.log_probs.gather(1, which))

    def alone(self, number: int) -> Self:
        """One of the B * N scenes, as a batch of its own."""
        only = slice(number, number + 1)
        return replace(self._taken(only), log_probs=self.log_probs.view(-1, 1)[only])

    def _taken(self, rows: Tensor | slice) -> Self:
        """With the objects and attentions of some of the B * N scenes alone."""
        choosing, placing = self.object_attention, self.attribute_attention
        return replace(
            self,
            objects=self.objects[rows],
            object_attention=None if choosing is None else choosing[rows],
            attribute_attention=None if placing is None else placing[rows],
        )


@dataclass(frozen=True)
class SceneStep:
    """One object of a scene, and where in the text the model looked for it.

    object: as in ``Scene.objects``. title: the readable name of its class. words: of the text as the model
    reads them, with "(end)" for EOS. chosen, placed: (words,) float32, the attention to each word when the
    object was chosen, and when its place and attributes were; None if that decoder has no attention.
    """

    object: PlainObject
    title: str
    words: tuple[str, ...]
    chosen: np.ndarray | None = field(repr=False, compare=False)
    placed: np.ndarray | None = field(repr=False, compare=False)

    @property
    def attended(self) -> list[tuple[str, float]]:
        """The words with their weights, the largest first: of the choice of the object, or of its placing if
        only that has attention; empty without attention.
        """
        weights = self.placed if self.chosen is None else self.chosen
        if weights is None:
            return []
        pairs = zip(self.words, weights.tolist(), strict=True)
        return sorted(pairs, key=lambda pair: pair[1], reverse=True)


@dataclass(frozen=True)
class Scene:
    """One generated scene.

    sentences: the text as the model read it. objects: as in ``models.scene_records``, in the order they were
    placed. log_prob: of the objects' classes, including given ones and END, and with ``search.whole_objects``
    also of their attributes and places. written: the scene as tensors, with attention over the words. writer:
    the model that wrote it, which also draws it.
    """

    sentences: tuple[str, ...]
    objects: tuple[PlainObject, ...]
    log_prob: float
    written: Written = field(repr=False, compare=False)
    writer: "SceneWriter" = field(repr=False, compare=False)

    @property
    def titles(self) -> Mapping[str, str]:
        """Readable names of the classes."""
        return self.writer.titles

    @property
    def steps(self) -> list[SceneStep]:
        """The objects in the order they were placed, each with the words attended to."""
        words = tuple(self.writer.words(self.sentences))
        both = self.written.object_attention, self.written.attribute_attention
        chosen, placed = (
            None if weights is None else weights[0, :, : len(words)].float().cpu().numpy() for weights in both
        )
        return [
            SceneStep(
                one,
                self.titles[one["class"]],
                words,
                None if chosen is None else chosen[step],
                None if placed is None else placed[step],
            )
            for step, one in enumerate(self.objects)
        ]

    def exact_places(self, schema: Schema) -> Tensor | None:
        """(T, 2) the places of the objects before rounding; None if ``objects`` were changed."""
        objects = self.written.objects
        (plain,) = to_plain(objects, schema)
        same = [(one["x"], one["y"]) for one in plain] == [(one["x"], one["y"]) for one in self.objects]
        return objects.places[objects.present] if same else None

    def without(self, *which: int | str) -> list[PlainObject]:
        """The objects except those given by index, class or title; as ``scenes.scene_edits.without``."""
        return without(self.objects, *which, titles=self.titles)

    def moved(self, which: int | str, x: float, y: float) -> list[PlainObject]:
        """The objects with one of them moved; as ``scenes.scene_edits.moved``."""
        return moved(self.objects, which, x, y, titles=self.titles)

    def plain(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {
            "sentences": list(self.sentences),
            "objects": list(self.objects),
            "log_prob": round(self.log_prob, 4),
        }

    def to_json(self, indent: int | None = None) -> str:
        return to_json(self.plain(), ensure_ascii=False, indent=indent)

    # Pictures

    def pictures(self, scale: float = 1.0, edges: "Edges" = "hard") -> list[Image.Image]:
        """The scene object by object: the empty canvas, then a picture after each object, 400 pixels high at
        scale 1. edges: hard or soft, of the patches in composites.
        """
        return self.writer.pictures(self, scale, edges)

    def picture(self, scale: float = 1.0, edges: "Edges" = "hard") -> Image.Image:
        """The scene, 400 pixels high at scale 1."""
        return self.pictures(scale, edges)[-1]

    def save(self, path: str | Path, scale: float = SCALE, edges: "Edges" = "hard") -> None:
        """Writes a picture in the format of the file's name (.png, .jpg, ...; a .gif shows one object after
        the other), or the scene itself as .json.

        Raises UserError for a name of another kind.
        """
        path = Path(path)
        kind = path.suffix.lower()
        if kind == ".json":
            with draft(path) as part:
                part.write_text(self.to_json(indent=1) + "\n", encoding="utf-8")
            return
        if kind not in Image.registered_extensions():
            raise UserError(f"{path}: a scene is saved as a picture (.png, .jpg, .gif ...) or as .json")
        pictures = self.pictures(scale, edges)
        if kind == ".gif":
            save_animation(path, list(map(np.asarray, pictures)))
        else:
            with draft(path) as part:
                pictures[-1].save(part)
