"""Composites from captions: Text2Scene over patches of photos (Tan, Feng and Ordonez, CVPR 2019)."""

import numpy as np
import torch
from torch import Tensor

from seq2scene.building import build
from seq2scene.compositing.compositor import Compositor
from seq2scene.compositing.pasting import Edges
from seq2scene.compositing.patch_finder import box_vectors, stored_finder
from seq2scene.compositing.patch_store import PatchStore
from seq2scene.compositing.retrieval import PatchRetrieval
from seq2scene.errors import UserError
from seq2scene.nets.losses.triplet import triplet
from seq2scene.nets.scene.colour_canvas import ColourCanvas
from seq2scene.nets.scene.patch_encoder import PatchEncoder
from seq2scene.nets.scene.scene_decoder import SceneNet, Taught
from seq2scene.scenes.batch import SceneBatch
from seq2scene.scenes.photos import LabelledPatches
from seq2scene.tasks.scenes import SceneTask

CHUNK = 256  # patches that are embedded together


class CompositeTask(SceneTask):
    """A scene model whose objects are patches of the training photos. It learns appearances by a triplet
    loss; before it writes scenes, all patches are embedded anew and indexed by class.
    """

    def _build_net(self) -> SceneNet:
        net, look = super()._build_net(), self.schema.appearance
        canvas, photo_side = net.decoder.canvas, self.config["data"]["photo_side"]
        if isinstance(canvas, ColourCanvas) and canvas.side != photo_side:
            raise UserError(
                f"canvas.side={canvas.side} must be data.photo_side={photo_side}: the canvas shows the photos"
            )
        self.patch_encoder: PatchEncoder | None = None
        if look is not None:
            self.patch_encoder = build(
                self.config["patch_encoder"],
                "patch_encoder",
                classes=self.schema.classes,
                features=self.description["features"],
                size=look.size,
            )
        return net

    # Teacher forcing

    def _extra_loss(self, taught: Taught, batch: SceneBatch) -> Tensor:
        look = self.schema.appearance
        if look is None:
            return super()._extra_loss(taught, batch)
        margin, paired = self.config["loss"]["margin"], batch.paired
        positives, negatives = (self.embed(patches) for patches in (batch.positives, batch.negatives))
        field = triplet(taught.appearances[paired], positives[paired], negatives[paired], margin)
        return look.weight * field.nll / field.count.clamp(min=1)

    def embed(self, patches: LabelledPatches) -> Tensor:
        """The appearances of N patches: (N, size) of unit length."""
        features = None if patches.features is None else patches.features.to(self.dtype)
        pictures, masks = patches.pictures.to(self.dtype), patches.masks.unsqueeze(1)
        return self.patch_encoder(patches.labels.long(), masks, pictures, features)

    # Free running

    def on_validation_start(self) -> None:
        self.build_retrieval_index()

    def on_test_start(self) -> None:
        self.build_retrieval_index()

    @property
    def store(self) -> PatchStore:
        """The patches that scenes are made of; known after ``build_retrieval_index``."""
        assert self.net.decoder.retrieval is not None, "call build_retrieval_index first"
        return self.net.decoder.retrieval.store

    def compositor(self, edges: Edges = "hard") -> Compositor:
        aspect = self.config["canvas"].get("aspect", "kept")
        return Compositor.of_training(self.store, self.description["photos"], self.schema, aspect, edges)

    def build_retrieval_index(self, folder: str | None = None) -> None:
        """Embeds the patches of a store, that of the training photos or another in ``folder``. Raises
        UserError where there is none, or it is of other classes.
        """
        store = PatchStore.open(folder or self.description["patches"])
        if store.names != self.schema.names or store.features != self.description["features"]:
            raise UserError(
                f"{store.folder}: a store of other classes or other features of patches than this model "
                "learnt from"
            )
        boxes = torch.from_numpy(store.boxes)
        vectors = box_vectors(boxes) if self.patch_encoder is None else self._embed_all(store)
        settings = self.config["retrieval"]
        finder = stored_finder(
            torch.from_numpy(store.classes),
            vectors.float(),
            torch.from_numpy(store.photo),
            self.config["data"]["cache"],
            settings["kind"],
            settings["repeat"],
        )
        self.net.decoder.retrieval = PatchRetrieval(store, finder, self.schema)

    @torch.no_grad()
    def _embed_all(self, store: PatchStore) -> Tensor:
        training, numbers = self.patch_encoder.training, np.arange(len(store))
        self.patch_encoder.eval()
        slices = np.split(numbers, range(CHUNK, len(numbers), CHUNK))
        vectors = [self.embed(store.labelled_patches(some).to(self.device)).cpu() for some in slices]
        self.patch_encoder.train(training)
        return torch.cat(vectors)
