"""Recurrent encoders: words in, one state per word out.

B sentences, S positions, E embedding features, H cells per direction, L layers.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seq2scene.nets.text.dropout import Dropout
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.padding import reverse

Cell = Literal["lstm", "gru"]
CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}
HOLD = 1e4  # a pre-activation so large that a gate's sigmoid is exactly 0 or 1


def recurrent(cell: Cell) -> Callable[..., nn.RNNBase]:
    """The recurrent layer class named ``cell``."""
    return CELLS[cell]


def go_on(rnn: nn.RNNBase, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Runs all T steps of the layers: inputs (N, T, any) and state (h,) or (h, c), each (N, L, H), -> outputs
    (N, T, H) and the last state.
    """
    first = tuple(part.transpose(0, 1).contiguous() for part in state)  # nn.RNN wants (L, N, H)
    lstm = isinstance(rnn, nn.LSTM)
    outputs, last = rnn(inputs, first if lstm else first[0])
    return outputs, tuple(part.transpose(0, 1) for part in (last if lstm else (last,)))


class RecurrentEncoder(nn.Module):
    """Stacked LSTM or GRU over embedded words, optionally in both directions.

    reverse_source reads each sentence from its last word to its first (Sutskever et al. 2014, section 3.3);
    states are still returned in the sentence's own order. Dropout is applied to the input of every layer.
    packing: how padding is skipped: ``packed`` sequences, or ``gather``, which runs over the padded batch and
    holds every cell's state on padding. Both give the same numbers; which is faster depends on the device and
    the lengths. bias: of the recurrent layers; Luong's have none.
    """

    def __init__(
        self,
        vocabulary_size: int,
        padding: int,
        embedding_size: int = 256,
        hidden_size: int = 256,
        layers: int = 1,
        cell: Cell = "lstm",
        bidirectional: bool = True,
        dropout: float = 0.0,
        reverse_source: bool = False,
        packing: Literal["packed", "gather"] = "gather",
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=padding)
        self.dropout = Dropout(dropout)
        self.rnn = recurrent(cell)(
            embedding_size,
            hidden_size,
            layers,
            bias=bias,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if layers > 1 else 0.0,
        )
        self.reverse_source = reverse_source
        self.packing = packing

    @property
    def directions(self) -> int:
        return 2 if self.rnn.bidirectional else 1

    @property
    def output_size(self) -> int:
        """Features of a state, all directions concatenated."""
        return self.rnn.hidden_size * self.directions

    def forward(self, source: Sentences) -> tuple[Tensor, tuple[Tensor, ...]]:
        """B source sentences -> states (B, S, output_size), zero on padding, and the last recurrent state.

        The last state is (h,) or (h, c), each (B, L, output_size), with the directions of a layer
        concatenated; zeros for an empty sentence.
        """
        ids = reverse(source.ids, source.lengths) if self.reverse_source else source.ids
        embedded = self.dropout(self.embedding(ids))
        run = self._packed if self.packing == "packed" else self._gathered
        states, final = run(embedded, source)
        states = states * source.mask.unsqueeze(2)
        if self.reverse_source:
            states = reverse(states, source.lengths)
        real = source.mask.any(dim=1).view(-1, 1, 1)
        return states, tuple(self._side_by_side(state) * real for state in final)

    def _side_by_side(self, state: Tensor) -> Tensor:
        """(L * directions, B, H) -> (B, L, directions * H)."""
        layers = state.shape[0] // self.directions
        return state.transpose(0, 1).reshape(state.shape[1], layers, self.output_size)

    def _packed(self, embedded: Tensor, source: Sentences) -> tuple[Tensor, tuple[Tensor, ...]]:
        lengths = source.lengths.clamp(min=1)  # empty sentences cannot be packed; zeroed afterwards
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        states, final = self.rnn(packed)
        states, _ = pad_packed_sequence(states, batch_first=True, total_length=embedded.shape[1])
        return states, final if isinstance(final, tuple) else (final,)

    def _gathered(self, embedded: Tensor, source: Sentences) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Each direction as a run over the padded batch; backward over the flipped batch."""
        inputs, finals = embedded, []
        for layer in range(self.rnn.num_layers):
            if layer > 0:
                inputs = nn.functional.dropout(inputs, self.rnn.dropout, self.training)
            outputs = []
            for suffix in ("", "_reverse")[: self.directions]:
                states, final = self._held_run(inputs, source.mask, f"_l{layer}{suffix}", bool(suffix))
                outputs.append(states)
                finals.append(final)
            inputs = torch.cat(outputs, dim=2)
        return inputs, tuple(torch.cat(state) for state in zip(*finals, strict=True))

    def _held_run(
        self, inputs: Tensor, mask: Tensor, name: str, backward: bool
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One layer in one direction, whose state is held on padding, both before and after the words.

        An extra input feature, 1 on padding, saturates the gates there: an LSTM's input gate is shut and its
        forget gate open, so that c is held; a GRU's update gate is open, so that h is. An LSTM's last h is
        looked up.
        """
        w_input, w_hidden = (getattr(self.rnn, kind + name) for kind in ("weight_ih", "weight_hh"))
        biases = [getattr(self.rnn, kind + name) for kind in ("bias_ih", "bias_hh") if self.rnn.bias]
        lstm = isinstance(self.rnn, nn.LSTM)
        hold = torch.zeros_like(w_input[:, 0])
        cells = self.rnn.hidden_size
        if lstm:  # gates i, f, g, o
            hold[:cells], hold[cells : 2 * cells] = -HOLD, HOLD
        else:  # gates r, z, n
            hold[cells : 2 * cells] = HOLD
        weights = [torch.cat([w_input, hold.unsqueeze(1)], dim=1), w_hidden, *biases]
        flat = torch.cat([part.flatten() for part in weights])  # cuDNN copies weights that are not contiguous
        weights = [
            part.view_as(like)
            for part, like in zip(flat.split([like.numel() for like in weights]), weights, strict=True)
        ]
        inputs = torch.cat([inputs, (~mask).unsqueeze(2).to(inputs.dtype)], dim=2)
        zeros = inputs.new_zeros(1, len(inputs), cells)
        start = (zeros, zeros) if lstm else zeros
        run = torch.lstm if lstm else torch.gru
        inputs = inputs.flip(1) if backward else inputs
        states, final, *cell = run(inputs, start, weights, self.rnn.bias, 1, 0.0, self.training, False, True)
        states = states.flip(1) if backward else states
        if lstm:
            last = torch.zeros_like(mask[:, 0], dtype=torch.int64) if backward else mask.sum(dim=1) - 1
            final = states[torch.arange(len(last), device=last.device), last.clamp(min=0)].unsqueeze(0)
        return states, (final, *cell)
