"""The decoder of Luong, Pham and Manning (EMNLP 2015): h_t -> a_t -> c_t -> h~_t -> p(y_t).

N rows (sentences, or beams of sentences), T steps, E embedding features, H cells, L layers, D memory
features.

    h_t  = RNN([embed(y_{t-1}); h~_{t-1}], h_{t-1})     h~_{t-1} only with input feeding (section 3.3)
    c_t  = attention(h_t)                                section 3.1
    h~_t = tanh(W_c [c_t; h_t])                          eq. 5; without attention h~_t = h_t
    p    = softmax(W_s h~_t)                             eq. 6

Without input feeding nothing at step t depends on the attention at t - 1, so all steps are one RNN call and
one attention call. Input feeding needs a loop, which computes only what depends on the previous step.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2scene.nets.text.bridge import Bridge, BridgeKind
from seq2scene.nets.text.dropout import Dropout, dropout_mask
from seq2scene.nets.text.encoders import Cell, go_on, recurrent
from seq2scene.nets.text.projection import vocabulary_projection
from seq2scene.nets.text.recurrent_decoder import Recurrent, RecurrentDecoder, State
from seq2scene.sequences.memory import Memory


class LuongDecoder(RecurrentDecoder):
    """Recurrent decoder that attends after the recurrence. With input feeding its state includes h~ (N, H).

    bridge: how the initial state is computed from the encoder's final one (``Bridge``). tied: share the input
    embedding with W_s. dropout acts on the input of every layer, including the fed h~, and on h~_t before it
    is projected unless output_dropout is False, as in Luong's released code. bias: of the recurrent layers;
    Luong's have none. attention: one of ``seq2scene.attention``, or None.
    """

    def __init__(
        self,
        vocabulary_size: int,
        padding: int,
        memory_size: int,
        memory_layers: int,
        attention: nn.Module | None,
        embedding_size: int = 256,
        hidden_size: int = 256,
        layers: int = 1,
        cell: Cell = "lstm",
        dropout: float = 0.0,
        input_feeding: bool = True,
        bridge: BridgeKind = "linear",
        tied: bool = False,
        output_bias: bool = True,
        bias: bool = True,
        output_dropout: bool = True,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=padding)
        self.dropout = Dropout(dropout)
        self.rnn = recurrent(cell)(
            embedding_size + (hidden_size if input_feeding else 0),
            hidden_size,
            layers,
            bias=bias,
            batch_first=True,
            dropout=dropout if layers > 1 else 0.0,
        )
        self.attention = attention
        if attention is not None:
            self.combine = nn.Linear(memory_size + hidden_size, hidden_size, bias=False)
        self.output = vocabulary_projection(self.embedding, hidden_size, tied, output_bias)
        self.input_feeding = input_feeding
        self.output_dropout = output_dropout
        self.bridge = Bridge(bridge, cell, memory_layers, memory_size, layers, hidden_size)

    def start(self, memory: Memory) -> State:
        """The state before the first step, one row per sentence."""
        state = super().start(memory)
        if not self.input_feeding:
            return state
        return *state, state[0][0].new_zeros(len(memory), self.rnn.hidden_size)

    def run(self, previous: Tensor, state: State, memory: Memory) -> tuple[Tensor, Tensor | None, State]:
        embedded = self.dropout(self.embedding(previous))  # (N, T, E)
        run = self._fed_run if self.input_feeding else self._fused_run
        return run(embedded, state, memory)

    def _fused_run(
        self, embedded: Tensor, state: State, memory: Memory
    ) -> tuple[Tensor, Tensor | None, State]:
        """All steps at once: one RNN call, one attention call."""
        recurrent, step = state
        hidden, recurrent = go_on(self.rnn, embedded, recurrent)
        steps = step.unsqueeze(1) + torch.arange(embedded.shape[1], device=step.device)  # (N, T)
        context, weights = self.attend(hidden, memory, steps)
        attended = self.attentional(context, hidden)
        features = self.dropout(attended) if self.output_dropout else attended
        return features, weights, (recurrent, step + embedded.shape[1])

    def _fed_run(self, embedded: Tensor, state: State, memory: Memory) -> tuple[Tensor, Tensor | None, State]:
        """Step by step, feeding in the previous h~; the embedding's part of the gates is precomputed."""
        recurrent, step, fed = state
        words = embedded.shape[2]
        lstm = isinstance(self.rnn, nn.LSTM)
        w_word, w_fed = self.rnn.weight_ih_l0.split([words, self.rnn.hidden_size], dim=1)
        gates = F.linear(embedded, w_word, self._weight("bias_ih", 0)).unbind(1)  # T times (N, gates)
        dropping = self.training and self.dropout.p > 0
        shape = (*embedded.shape[:2], self.rnn.hidden_size)
        keep = dropout_mask(shape, self.dropout.p, embedded).unbind(1) if dropping else None
        layers = [tuple(layer) for layer in zip(*(s.unbind(1) for s in recurrent), strict=True)]
        features, weights = [], []
        for t in range(len(gates)):
            inputs = torch.addmm(gates[t], fed, w_fed.t())
            for layer, below in enumerate(layers):
                if layer > 0:
                    x = F.dropout(layers[layer - 1][0], self.rnn.dropout, self.training)
                    inputs = F.linear(x, self._weight("weight_ih", layer), self._weight("bias_ih", layer))
                w_hidden, b_hidden = self._weight("weight_hh", layer), self._weight("bias_hh", layer)
                update = lstm_update if lstm else gru_update
                layers[layer] = update(inputs, below, w_hidden, b_hidden)
            hidden = layers[-1][0].unsqueeze(1)
            context, looked = self.attend(hidden, memory, (step + t).unsqueeze(1))
            attended = self.attentional(context, hidden).squeeze(1)
            fed = attended if keep is None else attended * keep[t]
            features.append(fed if self.output_dropout else attended)
            weights.append(looked)
        recurrent = tuple(torch.stack(s, dim=1) for s in zip(*layers, strict=True))
        looked_at = None if self.attention is None else torch.cat(weights, dim=1)
        return torch.stack(features, dim=1), looked_at, (recurrent, step + len(gates), fed)

    def _weight(self, kind: str, layer: int) -> Tensor | None:
        return getattr(self.rnn, f"{kind}_l{layer}") if self.rnn.bias or "weight" in kind else None


def lstm_update(inputs: Tensor, state: Recurrent, w_hidden: Tensor, b_hidden: Tensor | None) -> Recurrent:
    """One LSTM step (Zaremba et al. 2014): input part of the gates i, f, g, o (N, 4H) and (h, c) -> (h,
    c).
    """
    h, c = state
    i, f, g, o = (inputs + F.linear(h, w_hidden, b_hidden)).chunk(4, dim=1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_update(inputs: Tensor, state: Recurrent, w_hidden: Tensor, b_hidden: Tensor | None) -> Recurrent:
    """One GRU step (Cho et al. 2014, PyTorch's form): input part of the gates r, z, n (N, 3H) and (h,) ->
    (h,).
    """
    (h,) = state
    r_input, z_input, n_input = inputs.chunk(3, dim=1)
    r_hidden, z_hidden, n_hidden = F.linear(h, w_hidden, b_hidden).chunk(3, dim=1)
    z = (z_input + z_hidden).sigmoid()
    n = (n_input + (r_input + r_hidden).sigmoid() * n_hidden).tanh()
    return ((1 - z) * n + z * h,)
