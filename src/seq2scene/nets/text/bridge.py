"""From the encoder's last recurrent state to the decoder's first."""

from typing import Literal

import torch
from torch import Tensor, nn

from seq2scene.errors import UserError
from seq2scene.nets.text.encoders import Cell
from seq2scene.sequences.memory import Memory

BridgeKind = Literal["copy", "directions", "linear", "zero"]


class Bridge(nn.ModuleList):
    """``copy`` the state layer by layer (Sutskever et al. 2014), pass each layer's through a ``linear`` layer
    and tanh (one shared by all h, one by all c), or start from ``zero``.

    ``directions`` copies each direction of a bidirectional encoder into its own layer, as tensorflow/nmt
    does: the decoder's layer 0 starts from the last forward state of the encoder's layer 0, layer 1 from its
    backward one, layers 2 and 3 from those of layer 1.

    Raises UserError if the encoder's shape does not allow it.
    """

    def __init__(
        self,
        kind: BridgeKind,
        cell: Cell,
        memory_layers: int,
        memory_size: int,
        layers: int,
        hidden_size: int,
    ) -> None:
        super().__init__()
        if kind == "copy" and (memory_layers, memory_size) != (layers, hidden_size):
            raise UserError(
                "decoder.bridge=copy needs an encoder and a decoder of the same shape: the encoder has "
                f"{memory_layers} layers of {memory_size}, the decoder {layers} of {hidden_size}; use linear"
            )
        if kind == "directions" and (2 * memory_layers, memory_size) != (layers, 2 * hidden_size):
            raise UserError(
                "decoder.bridge=directions needs a bidirectional encoder and, for each of its layers, two "
                f"decoder layers of the size of one direction: the encoder has {memory_layers} layers of "
                f"{memory_size} (both directions together), the decoder {layers} of {hidden_size}; "
                "use linear or zero"
            )
        if kind == "linear" and memory_layers != layers:
            raise UserError(
                f"decoder.bridge=linear goes layer by layer: the encoder has {memory_layers} layers, "
                f"the decoder {layers}; make them equal or use bridge=zero"
            )
        self.kind = kind
        self.shape = layers, hidden_size
        self.cell: Cell = cell
        if kind == "linear":
            self.extend(nn.Linear(memory_size, hidden_size) for _ in range(2 if cell == "lstm" else 1))

    def require_cell(self, cell: Cell) -> None:
        """Raises UserError if the decoder cannot start from the last state of an encoder of this cell."""
        if self.kind != "zero" and cell != self.cell:
            raise UserError(
                f"decoder.bridge={self.kind} needs an encoder and a decoder of the same cell: the encoder's "
                f"is {cell}, the decoder's {self.cell}; make them equal or use bridge=zero"
            )

    def forward(self, memory: Memory) -> tuple[Tensor, ...]:
        """The decoder's first (h,) or (h, c), each (B, layers, hidden_size)."""
        if self.kind == "zero":
            zeros = memory.states.new_zeros(len(memory), *self.shape)
            return (zeros, zeros) if self.cell == "lstm" else (zeros,)
        self.require_cell("lstm" if len(memory.final) == 2 else "gru")
        if self.kind == "linear":
            return tuple(torch.tanh(layer(state)) for layer, state in zip(self, memory.final, strict=True))
        if self.kind == "copy":
            return memory.final
        return tuple(state.reshape(len(memory), *self.shape) for state in memory.final)  # directions
