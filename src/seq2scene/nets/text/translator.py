"""An encoder and a decoder, joined by a memory."""

from torch import Tensor, nn

from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.memory import Memory


class Translator(nn.Module):
    """Sequence to sequence (Sutskever et al. 2014; Luong et al. 2015). The decoder obeys the decoder
    contract.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def encode(self, source: Sentences) -> Memory:
        """All the decoder will ever ask of the source, made once."""
        states, final = self.encoder(source)
        lengths = source.mask.sum(dim=1)
        return Memory(states, self.decoder.keys(states), source.mask, lengths, final)

    def forward(self, source: Sentences, previous: Tensor) -> tuple[Tensor, Tensor | None]:
        """Teacher forcing: previous (B, T) ids -> decoder features (B, T, H), weights (B, T, S) or None."""
        return self.decoder(self.encode(source), previous)


def initialise_uniform(module: nn.Module, reach: float) -> None:
    """Draws every parameter from U[-reach, reach], padding embeddings excepted (Luong et al. 2015, section
    4.1).
    """
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -reach, reach)
    for layer in module.modules():
        if isinstance(layer, nn.Embedding) and layer.padding_idx is not None:
            nn.init.zeros_(layer.weight[layer.padding_idx].detach())
