"""From composite to photo: the LightningModule of Text2Scene's inpainting network (Tan et al. 2019)."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import ModuleDict
from torchmetrics import MeanMetric

from seq2scene.compositing.pasting import Rendering
from seq2scene.compositing.simulated_composites import Mending, Stencils, mend
from seq2scene.errors import UserError
from seq2scene.models.inpainter import WHITE, Inpainter, Mended
from seq2scene.nets.losses.inpainting_losses import fields
from seq2scene.nets.losses.perceptual import VGG19_LAYERS, PerceptualDistance
from seq2scene.nets.vision.inpainter import Inpainted
from seq2scene.nets.vision.trunks import LITE
from seq2scene.tasks.task import Column, Loss, Task

# Layers to compare if the config names none. For the small trunk: one of each resolution down to a
# sixteenth, with our own weights, chosen so that each contributes about as much as the colours.
LAYERS = {
    "none": {},
    "vgg19": VGG19_LAYERS,
    LITE: {"_blocks.0": 6.0, "_blocks.2": 6.0, "_blocks.4": 8.0, "_blocks.10": 10.0},
}
SCORES = ("error", "psnr", "label_accuracy")


class InpaintingTask(Task):
    """Learns to restore photos from composites simulated from them. Scores: the mean absolute ``error`` of
    colours, from 0 to 255; ``psnr`` in decibels, from the mean squared error over all photos; and
    ``label_accuracy``, the share of pixels whose class is right. ``composite_error`` etc. are the same scores
    of the unchanged composites.

    The trunk of the perceptual loss exists only during training and is not saved in checkpoints.
    """

    logs_perplexity = False
    curves = ("loss", "error", "psnr", "label_accuracy")
    shown = SCORES
    model_class = Inpainter
    model: Inpainter
    columns = tuple(Column(name, name) for name in SCORES)

    def __init__(self, config: dict[str, Any], description: dict[str, Any]) -> None:
        super().__init__(config, description)
        self.names, self.side = self.model.names, self.model.side
        self.build_scores()
        self._distance: list[PerceptualDistance] = []  # hidden from parameters and checkpoints

    def on_fit_start(self) -> None:
        self._distance = [build_distance(self.config["perceptual"]).to(self.device)]

    def on_fit_end(self) -> None:
        self._distance = []

    @property
    def photo_side(self) -> int:
        """Side in pixels of the training photos, before they are cropped and resized to ``side``."""
        return self.config["data"]["composites"]["photo_side"]

    def mend(self, batch: Stencils) -> Mending:
        with torch.autocast(self.device.type, enabled=False):  # pixel positions need full precision
            return mend(batch, self.side, self.model.first_stuff)

    def forward(self, composite: Rendering) -> Inpainted:
        return self.model(composite)

    def loss(self, batch: Stencils) -> Loss:
        """The weighted sum of the terms of ``nets.vision.inpainter.fields``, averaged over photos."""
        assert self._distance, "only while it is being fitted"
        mending = self.mend(batch)
        found = fields(self(mending.composite), mending.pictures, mending.labels, self._distance[0])
        total = sum(self.config["loss"][name] * field.nll for name, field in found.items())
        count = found["picture"].count
        return Loss(total, total.detach(), count, count.to(total.dtype))

    def inpaint(self, composite: Rendering) -> Mended:
        return self.model.inpaint(composite)

    # Scores

    def _build_scores(self) -> ModuleDict:
        each = (*SCORES, *(f"composite_{name}" for name in SCORES))
        return ModuleDict({name: MeanMetric(nan_strategy="disable") for name in each})  # NaNs are not skipped

    def _evaluate(self, batch: Stencils, stage: str) -> None:
        metrics, true = self.scores[f"{stage}_scores"], self.mend(batch)
        for before, found in (("", self.inpaint(true.composite)), ("composite_", true.composite)):
            apart = found.pictures - true.pictures
            metrics[f"{before}error"].update(apart.abs().mean((1, 2, 3)))
            metrics[f"{before}psnr"].update(apart.square().mean((1, 2, 3)))
            metrics[f"{before}label_accuracy"].update((found.labels == true.labels).float().mean((1, 2)))

    def _computed(self, stage: str) -> dict[str, Tensor]:
        """psnr is computed from the mean squared error over all photos."""
        values = super()._computed(stage)
        for name in ("psnr", "composite_psnr"):
            values[name] = 10 * torch.log10(WHITE**2 / values[name])
        return values


def build_distance(settings: dict[str, Any]) -> PerceptualDistance:
    """The perceptual loss of the config. Raises UserError if its weights are missing, or if no layers are
    given and the trunk has no defaults.
    """
    layers = settings["layers"] or LAYERS.get(settings["trunk"])
    if layers is None:
        good = ", ".join(LAYERS)
        raise UserError(
            f"perceptual.trunk={settings['trunk']}: set perceptual.layers to its parts and their weights, or "
            f"choose one of {good}"
        )
    return PerceptualDistance(settings["trunk"], layers, settings["weights"])
