"""An image encoder and a decoder of words, joined by a memory of places (Xu et al. 2015, section 3.1.1), or
of objects where an image is known by its layout.
"""

import torch
from torch import Tensor, nn

from seq2scene.errors import UserError
from seq2scene.nets.scene.object_annotations import ObjectAnnotations
from seq2scene.nets.text.dropout import Dropout
from seq2scene.nets.text.recurrent_decoder import RecurrentDecoder
from seq2scene.sequences.caption_batch import CaptionBatch
from seq2scene.sequences.memory import Memory


class Annotations(nn.Module):
    """Feature maps (B, D, y, x) as annotations of S = y x places, row by row: (B, S, output_size).

    size: the features of an annotation, made by a linear layer; None keeps the map's own. Dropout acts on the
    map's features. normalise: each place's features to mean 0 and variance 1 before (Ba et al. 2016), as
    trunks differ in scale, and large features drive attention and recurrence to where gradients explode.
    """

    def __init__(
        self, map_size: int, size: int | None = None, dropout: float = 0.0, normalise: bool = False
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(map_size, elementwise_affine=False) if normalise else nn.Identity()
        self.dropout = Dropout(dropout)
        self.projection = nn.Identity() if size is None else nn.Linear(map_size, size)
        self.output_size = map_size if size is None else size

    def forward(self, maps: Tensor) -> Tensor:
        return self.projection(self.dropout(self.norm(maps.flatten(2).transpose(1, 2))))


class Captioner(nn.Module):
    """Images to words by any recurrent decoder.

    encoder: images (B, 3, H, W) -> maps (B, D, y, x); None where batches bring features alone. The memory's
    last state, from which the decoder's bridge starts, is the mean annotation, for h and c and every layer.
    """

    def __init__(
        self,
        encoder: nn.Module | None,
        annotations: Annotations | ObjectAnnotations,
        decoder: RecurrentDecoder,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.annotations = annotations
        self.decoder = decoder

    def maps(self, batch: CaptionBatch) -> Tensor:
        """Feature maps (B, D, y, x) of the images, those that came with the batch if any did.

        Raises UserError where a batch has images alone and there is no encoder.
        """
        if batch.features is not None:
            return batch.features.to(self.decoder.embedding.weight.dtype)  # stored in half precision
        if self.encoder is None:
            raise UserError("these images have no stored features, and the model has no image encoder")
        return self.encoder(batch.images)

    def look(self, batch: CaptionBatch) -> tuple[Tensor, Tensor]:
        """Annotations (B, S, D) of the images, S places of y rows, one after the other; mask (B, S) bool."""
        states = self.annotations(self.maps(batch))
        return states, torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)

    def encode(self, batch: CaptionBatch) -> Memory:
        """All the decoder will ever ask of the images, made once."""
        states, mask = self.look(batch)
        lengths = mask.sum(dim=1)
        mean = states.sum(dim=1, keepdim=True) / lengths.clamp(min=1).view(-1, 1, 1)
        mean = mean.expand(-1, self.decoder.rnn.num_layers, -1)
        final = (mean, mean) if isinstance(self.decoder.rnn, nn.LSTM) else (mean,)
        return Memory(states, self.decoder.keys(states), mask, lengths, final)

    def forward(self, batch: CaptionBatch, previous: Tensor) -> tuple[Tensor, Tensor | None]:
        """Teacher forcing: previous (B, T) ids -> decoder features (B, T, any), weights (B, T, S) or None."""
        return self.decoder(self.encode(batch), previous)


class LayoutCaptioner(Captioner):
    """Layouts to words: what ``Captioner`` is to images, with an annotation for each object."""

    def __init__(self, annotations: ObjectAnnotations, decoder: RecurrentDecoder) -> None:
        super().__init__(None, annotations, decoder)

    def look(self, batch: CaptionBatch) -> tuple[Tensor, Tensor]:
        """Annotations (B, S, D) of the objects, zero where there is none; mask (B, S) bool.

        Raises UserError where a batch has no layouts.
        """
        if batch.layouts is None:
            raise UserError("this captioner reads layouts, and these are images")
        return self.annotations(batch.layouts), batch.layouts.mask
