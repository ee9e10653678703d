"""A writer of composites: scenes whose objects are patches of the training photos (Tan et al. 2019)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from seq2scene.building import build
from seq2scene.compositing.compositor import Compositor, as_pixels, empty_canvas
from seq2scene.compositing.inpainting import InpaintingModel, photos_of
from seq2scene.compositing.packed_store import holds_patches, open_patches
from seq2scene.compositing.pasting import Edges
from seq2scene.compositing.patch_finder import box_vectors, stored_finder
from seq2scene.compositing.patch_store import PatchStore
from seq2scene.compositing.retrieval import PatchRetrieval
from seq2scene.errors import UserError
from seq2scene.models.model import verb
from seq2scene.models.scene import Scene, Written
from seq2scene.models.scene_writer import HEIGHT, Given, SceneWriter, build_net
from seq2scene.nets.scene.colour_canvas import ColourCanvas
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.photos import LabelledPatches
from seq2scene.scenes.scene_texts import SceneTexts
from seq2scene.scenes.schema import Schema
from seq2scene.search.constraints import Constraints
from seq2scene.sequences.batch import Sentences

CHUNK = 256  # patches embedded at a time


class CompositeWriter(SceneWriter):
    """Before it writes, all patches in its store must be embedded and indexed (``build_retrieval_index``);
    the user-facing methods do this themselves. Without an appearance in the schema there is no patch encoder,
    and patches are chosen by class and box.
    """

    @classmethod
    def _build(cls, config: Mapping[str, Any], description: Mapping[str, Any]) -> Self:
        texts = SceneTexts.from_state(description["texts"])
        schema = Schema.from_state(description["schema"])
        encoder, decoder = build_net(config, description, texts, schema)
        canvas, photo_side = decoder.canvas, config["data"]["photo_side"]
        if isinstance(canvas, ColourCanvas) and canvas.side != photo_side:
            raise UserError(
                f"canvas.side={canvas.side} must be data.photo_side={photo_side}: the canvas shows the photos"
            )
        patch_encoder = None
        if schema.appearance is not None:
            patch_encoder = build(
                config["patch_encoder"],
                "patch_encoder",
                classes=schema.classes,
                features=description["features"],
                size=schema.appearance.size,
            )
        return cls(encoder, decoder, texts, patch_encoder=patch_encoder)

    @classmethod
    def ensemble(cls, members: Sequence[Self], average: str = "logits") -> Self:
        raise UserError("ckpt: composites of several models cannot be compared, as each has its own patches")

    def embed(self, patches: LabelledPatches) -> Tensor:
        """Unit-length embeddings (N, size) of N patches, where the schema has appearances."""
        assert self.patch_encoder is not None, "patches are embedded where appearances are learnt"
        dtype = next(self.parameters()).dtype
        features = None if patches.features is None else patches.features.to(dtype)
        pictures, masks = patches.pictures.to(dtype), patches.masks.unsqueeze(1)
        return self.patch_encoder(patches.labels.long(), masks, pictures, features)

    def decode(
        self,
        texts: Sentences,
        search: Constraints | None = None,
        given: Objects | None = None,
        **options: Any,
    ) -> Written:
        if self.decoder.retrieval is None:
            self.build_retrieval_index()
        return super().decode(texts, search, given, **options)

    def read_given(
        self, given: Sequence[Given | None], search: Constraints | None = None, name: str = "given"
    ) -> Objects:
        if self.decoder.retrieval is None:
            self.build_retrieval_index()
        return super().read_given(given, search, name)

    @property
    def store(self) -> PatchStore:
        """The patches that scenes are made of; available after ``build_retrieval_index``."""
        assert self.decoder.retrieval is not None, "call build_retrieval_index first"
        return self.decoder.retrieval.store

    def compositor(self, edges: Edges = "hard") -> Compositor:
        aspect = self.config["canvas"].get("aspect", "kept")
        return Compositor.of_training(self.store, self.description["photos"], self.schema, aspect, edges)

    @verb
    def inpainted(self, scene: Scene, inpainter: InpaintingModel, scale: float = 1.0) -> Image.Image:
        """A composite after inpainting, 400 pixels high at scale 1."""
        side = round(HEIGHT * scale)
        photos = photos_of(inpainter, scene.written.objects, self.compositor(), side, empty_canvas(side))
        return Image.fromarray(as_pixels(next(photos)))

    def build_retrieval_index(self, folder: str | None = None) -> None:
        """Embeds and indexes the patches of a store: that of the training photos, or the one in ``folder``.
        Raises UserError if it does not exist or has other classes.
        """
        place = Path(folder or self.description["patches"])
        if not holds_patches(place):
            raise UserError(
                f"{place} holds no patches to write composites from: give the folder of the store, to a "
                "command as patches=, in Python to build_retrieval_index"
            )
        store = open_patches(place)
        if store.names != self.schema.names or store.features != self.description["features"]:
            raise UserError(
                f"{store.folder}: its classes or patch features differ from those that this model "
                "was trained on"
            )
        boxes = torch.from_numpy(store.boxes)
        vectors = box_vectors(boxes) if self.patch_encoder is None else self._embed_all(store)
        settings = self.config["retrieval"]
        whole = settings.get("whole") or {"things": 0.0, "stuff": 0.0}  # older configs do not have it
        broken = torch.from_numpy(store.broken(**whole))
        finder = stored_finder(
            torch.from_numpy(store.classes).masked_fill(broken, 0),
            vectors.float(),
            torch.from_numpy(store.photo),
            self.config["data"]["cache"],
            settings["kind"],
            settings["repeat"],
        )
        self.decoder.retrieval = PatchRetrieval(store, finder, self.schema)

    @torch.no_grad()
    def _embed_all(self, store: PatchStore) -> Tensor:
        """The embeddings (A, size) of all patches of the store, on the CPU."""
        assert self.patch_encoder is not None, "patches are embedded where appearances are learnt"
        training, numbers = self.patch_encoder.training, np.arange(len(store))
        self.patch_encoder.eval()
        slices = np.split(numbers, range(CHUNK, len(numbers), CHUNK))
        vectors = [self.embed(store.labelled_patches(some).to(self.device)).cpu() for some in slices]
        self.patch_encoder.train(training)
        return torch.cat(vectors)
