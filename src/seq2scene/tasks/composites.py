"""Composites from captions: Text2Scene over patches of photos (Tan, Feng and Ordonez, CVPR 2019)."""

from torch import Tensor

from seq2scene.compositing.patch_store import PatchStore
from seq2scene.models.composite_writer import CompositeWriter
from seq2scene.nets.losses.contrastive import contrastive
from seq2scene.nets.losses.triplet import triplet
from seq2scene.nets.scene.scene_decoder import Taught
from seq2scene.scenes.batch import SceneBatch
from seq2scene.tasks.scenes import SceneTask


class CompositeTask(SceneTask):
    """A scene model whose objects are patches of the training photos. It learns appearances with a triplet
    loss, or contrasts each patch with all others of its class in the batch. Before generating scenes, it
    embeds all patches again and indexes them by class.
    """

    model_class = CompositeWriter
    model: CompositeWriter

    def _extra_loss(self, taught: Taught, batch: SceneBatch) -> tuple[Tensor, Tensor] | None:
        look = self.schema.appearance
        if look is None:
            return super()._extra_loss(taught, batch)
        margin, paired = self.config["loss"]["margin"], batch.paired
        assert batch.positives is not None and batch.negatives is not None, "batches of composites"
        positives = self.model.embed(batch.positives)
        if temperature := self.config["loss"].get("contrast"):  # older configs do not have it
            classes = batch.target.classes[batch.target.present]
            field = contrastive(taught.appearances, positives, classes, temperature)
        else:
            negatives = self.model.embed(batch.negatives)
            field = triplet(taught.appearances[paired], positives[paired], negatives[paired], margin)
        return look.weight * field.nll / field.count.clamp(min=1), field.count

    # Free running

    def on_validation_start(self) -> None:
        self.build_retrieval_index()

    def on_test_start(self) -> None:
        self.build_retrieval_index()

    @property
    def store(self) -> PatchStore:
        """The patches that scenes are made of; available after ``build_retrieval_index``."""
        return self.model.store
