"""The patch for each object that a scene decoder writes (Text2Scene's composites, Tan et al. 2019)."""

from dataclasses import dataclass

from torch import Tensor

from seq2scene.compositing.patch_finder import PatchFinder, box_vectors
from seq2scene.compositing.patch_store import PatchStore
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.photos import Patches
from seq2scene.scenes.schema import Schema


@dataclass(frozen=True)
class PatchRetrieval:
    """A ``nets.scene.scene_decoder.Retrieval``: finds patches of the store by class and appearance, or, where
    the schema has no appearance, by class and the size and shape of the box.
    """

    store: PatchStore
    finder: PatchFinder
    schema: Schema

    def __call__(self, objects: Objects, appearances: Tensor, used: Tensor) -> tuple[Tensor, Patches]:
        """objects (N, 1), their appearances (N, D) and the patches used (N, U) in their scenes so far, -1 for
        none -> the numbers (N,) of the patches found, -1 for none, and the patches. An object that has a
        patch keeps it.
        """
        vectors = appearances
        if self.schema.appearance is None:
            vectors = box_vectors(self.schema.boxes(objects)[:, 0] / self.schema.canvas[0])
        numbers = self.finder.find(objects.classes[:, 0], vectors, used)
        if objects.patches is not None:
            own = objects.patches[:, 0]
            numbers = own.where(own >= 0, numbers)
        found = self.store.patches(numbers.cpu().numpy())
        device = objects.classes.device
        return numbers.to(device), found.map(lambda tensor: tensor.to(device))
