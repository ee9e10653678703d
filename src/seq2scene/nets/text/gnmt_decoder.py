"""A decoder after Google's NMT (Wu et al. 2016, section 3) in its faster second form ("GNMT v2"): only the
first layer queries the attention, so that no step depends on the attention of the previous step.

N rows (sentences, or beams of sentences), T steps, E embedding features, H cells, L layers, D memory
features.

    h1_t = RNN_1(embed(y_{t-1}), h1_{t-1})
    c_t  = attention(h1_t)
    x2_t = RNN_2([h1_t; c_t])
    xl_t = RNN_l([x(l-1)_t; c_t]) + x(l-1)_t             layers 3 to L, residual
    h~_t = tanh(W_c [c_t; xL_t])                         as Luong et al. (2015), eq. 5
    p    = softmax(W_s h~_t)

Under teacher forcing that is one RNN call per layer and one attention call, over all steps. Google's decoder
queries with h1_{t-1} and projects xL_t alone; W_c adds c_t without widening W_s.
"""

import torch
from torch import Tensor, nn

from seq2scene.errors import UserError
from seq2scene.nets.text.bridge import Bridge, BridgeKind
from seq2scene.nets.text.dropout import Dropout
from seq2scene.nets.text.encoders import Cell, go_on, recurrent
from seq2scene.nets.text.projection import vocabulary_projection
from seq2scene.nets.text.recurrent_decoder import RecurrentDecoder, State
from seq2scene.sequences.memory import Memory


class GNMTDecoder(RecurrentDecoder):
    """Recurrent decoder whose first layer queries the attention and whose other layers share the context.

    bridge, tied, output_bias and bias as in ``LuongDecoder``. dropout acts on the input of every layer,
    including the context, and on h~_t before it is projected. attention: one of ``seq2scene.attention``, or
    None, in which case layers see no context and h~_t is xL_t.
    """

    def __init__(
        self,
        vocabulary_size: int,
        padding: int,
        memory_size: int,
        memory_layers: int,
        attention: nn.Module | None,
        embedding_size: int = 1024,
        hidden_size: int = 1024,
        layers: int = 4,
        cell: Cell = "lstm",
        dropout: float = 0.0,
        bridge: BridgeKind = "zero",
        tied: bool = False,
        output_bias: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if layers < 1:
            raise UserError(f"decoder.layers={layers} is too few; give 1 or more")
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=padding)
        self.dropout = Dropout(dropout)
        above = hidden_size + (0 if attention is None else memory_size)
        inputs = [embedding_size] + [above] * (layers - 1)
        self.layers = nn.ModuleList(
            recurrent(cell)(size, hidden_size, bias=bias, batch_first=True) for size in inputs
        )
        self.attention = attention
        if attention is not None:
            self.combine = nn.Linear(memory_size + hidden_size, hidden_size, bias=False)
        self.output = vocabulary_projection(self.embedding, hidden_size, tied, output_bias)
        self.bridge = Bridge(bridge, cell, memory_layers, memory_size, layers, hidden_size)

    def run(self, previous: Tensor, state: State, memory: Memory) -> tuple[Tensor, Tensor | None, State]:
        recurrent, step = state
        steps = step.unsqueeze(1) + torch.arange(previous.shape[1], device=step.device)  # (N, T)
        hidden, context, weights, last = self.embedding(previous), None, None, []
        for number, rnn in enumerate(self.layers):
            inputs = hidden if context is None else torch.cat([hidden, context], dim=2)
            before = tuple(s[:, number : number + 1] for s in recurrent)
            outputs, after = go_on(rnn, self.dropout(inputs), before)
            hidden = outputs if number < 2 else outputs + hidden
            last.append(after)
            if number == 0:
                context, weights = self.attend(hidden, memory, steps)
        recurrent = tuple(torch.cat(s, dim=1) for s in zip(*last, strict=True))
        return self.dropout(self.attentional(context, hidden)), weights, (recurrent, step + previous.shape[1])
