"""The decoder of Xu et al., "Show, Attend and Tell" (ICML 2015, section 3.1.2): it looks, then reads a word.

N rows (images, or beams of images), T steps, S places of the image, E embedding features, H cells, D features
of a place's annotation a_i.

    c_0 = tanh(W_c mean_i a_i + b_c), h_0 likewise    two layers of the mean annotation
    alpha_t = softmax_i score(h_{t-1}, a_i)           the query is the state before the word
    z_t = beta_t sum_i alpha_ti a_i                   soft attention, gated: beta_t = sigmoid(w . h_{t-1} + b)
    z_t = beta_t a_{s_t},  s_t ~ alpha_t              hard attention (section 4.1), in ``sample`` alone
    h_t = RNN([E y_{t-1}; z_t], h_{t-1})
    p(y_t) = softmax(L_o (E y_{t-1} + L_h h_t + L_z z_t))

Every step waits for the state before it, so teacher forcing is a loop; it holds only what has to wait.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2scene.errors import UserError
from seq2scene.nets.text.bridge import Bridge
from seq2scene.nets.text.decoders import gru_update, lstm_update
from seq2scene.nets.text.dropout import Dropout
from seq2scene.nets.text.encoders import recurrent
from seq2scene.nets.text.projection import vocabulary_projection
from seq2scene.nets.text.recurrent_decoder import RecurrentDecoder, State
from seq2scene.sequences.memory import Memory


@dataclass(frozen=True)
class Sampled:
    """A teacher-forced pass of B sentences that looked at one place at a time.

    features: (B, T, E). weights: (B, T, S), alpha. places: (B, T) int64, the s_t drawn from it. drawn: (B,)
    bool, False for a sentence that read the expectation of soft attention at every step instead.
    """

    features: Tensor
    weights: Tensor
    places: Tensor
    drawn: Tensor


class XuDecoder(RecurrentDecoder):
    """Recurrent decoder of one layer that attends with the state before the word.

    attention: what ``seq2scene.attention`` builds; the paper's score is concat. gate: whether it has beta.
    bridge and mean_layer: how the first state comes from the mean annotation; with mean_layer it goes through
    a ReLU layer before, as in the authors' COCO models. tanh: on what L_o projects, as in the authors' code.
    tied: L_o shares the embedding. dropout acts on h_t on its way to L_h, on what L_o projects, and behind
    mean_layer.

    Raises UserError without an attention.
    """

    def __init__(
        self,
        vocabulary_size: int,
        padding: int,
        memory_size: int,
        memory_layers: int,
        attention: nn.Module | None,
        embedding_size: int = 512,
        hidden_size: int = 512,
        cell: Literal["lstm", "gru"] = "lstm",
        dropout: float = 0.5,
        gate: bool = True,
        bridge: Literal["copy", "directions", "linear", "zero"] = "linear",
        mean_layer: bool = False,
        tanh: bool = False,
        tied: bool = False,
        output_bias: bool = True,
    ) -> None:
        super().__init__()
        if attention is None:
            raise UserError("attention=none: this decoder sees by attention alone; choose concat, for one")
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=padding)
        self.dropout = Dropout(dropout)
        self.attention = attention
        self.rnn = recurrent(cell)(embedding_size + memory_size, hidden_size, batch_first=True)
        self.gate = nn.Linear(hidden_size, 1) if gate else None
        self.mean_layer = nn.Linear(memory_size, memory_size) if mean_layer else None
        self.bridge = Bridge(bridge, cell, memory_layers, memory_size, 1, hidden_size)
        self.from_hidden = nn.Linear(hidden_size, embedding_size, bias=False)  # L_h
        self.from_context = nn.Linear(memory_size, embedding_size, bias=False)  # L_z
        self.tanh = tanh
        self.output = vocabulary_projection(self.embedding, embedding_size, tied, output_bias)  # L_o

    def start(self, memory: Memory) -> State:
        """The state before the first word, one row per image."""
        if self.mean_layer is not None:
            final = tuple(self.dropout(self.mean_layer(mean).relu()) for mean in memory.final)
            memory = replace(memory, final=final)
        return super().start(memory)

    def run(self, previous: Tensor, state: State, memory: Memory) -> tuple[Tensor, Tensor | None, State]:
        features, weights, _, state = self._walk(previous, state, memory, None)
        return features, weights, state

    def sample(self, memory: Memory, previous: Tensor, expectation: float = 0.5) -> Sampled:
        """Hard attention while previous (B, T) ids are read: z_t from one place, drawn from alpha_t.

        expectation: the probability with which a sentence has soft attention instead, all along (the paper's
        way to less variance, section 4.1).
        """
        drawn = torch.rand(len(previous), device=previous.device) >= expectation
        features, weights, places, _ = self._walk(previous, self.start(memory), memory, drawn)
        return Sampled(features, weights, places, drawn)

    def _walk(
        self, previous: Tensor, state: State, memory: Memory, drawn: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None, State]:
        """Word by word from ``state``; the rows ``drawn`` (N,) look at one place at a time, None for none.

        Returns features (N, T, E), weights (N, T, S), places (N, T) or None, state.
        """
        recurrent, step = state
        embedded = self.embedding(previous)
        w_word, w_seen = self.rnn.weight_ih_l0.split([embedded.shape[2], memory.states.shape[2]], dim=1)
        gates = F.linear(embedded, w_word, self.rnn.bias_ih_l0).unbind(1)  # T times (N, gates)
        update = lstm_update if isinstance(self.rnn, nn.LSTM) else gru_update
        layer = tuple(s.squeeze(1) for s in recurrent)  # (h,) or (h, c), each (N, H)
        rows = torch.arange(len(previous), device=previous.device)
        hidden, seen, weights, places = [], [], [], []
        for t, word in enumerate(gates):
            context, looked = self.attend(layer[0].unsqueeze(1), memory, (step + t).unsqueeze(1))
            context = context.squeeze(1)
            if drawn is not None:
                place = torch.multinomial(looked.squeeze(1).detach(), 1).squeeze(1)
                context = memory.states[rows, place].where(drawn.unsqueeze(1), context)
                places.append(place)
            z = context if self.gate is None else self.gate(layer[0]).sigmoid() * context
            inputs = torch.addmm(word, z, w_seen.t())
            layer = update(inputs, layer, self.rnn.weight_hh_l0, self.rnn.bias_hh_l0)
            hidden.append(layer[0])
            seen.append(z)
            weights.append(looked)
        features = self._deep_output(embedded, torch.stack(hidden, dim=1), torch.stack(seen, dim=1))
        state = tuple(s.unsqueeze(1) for s in layer), step + len(gates)
        return features, torch.cat(weights, dim=1), torch.stack(places, dim=1) if places else None, state

    def _deep_output(self, embedded: Tensor, hidden: Tensor, seen: Tensor) -> Tensor:
        """E y_{t-1} + L_h h_t + L_z z_t (N, T, E): what L_o makes logits of."""
        features = embedded + self.from_hidden(self.dropout(hidden)) + self.from_context(seen)
        return self.dropout(features.tanh() if self.tanh else features)
