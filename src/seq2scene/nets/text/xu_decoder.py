"""The decoder of Xu et al., "Show, Attend and Tell" (ICML 2015, section 3.1.2): it attends before it reads a
word.

N rows (images, or beams of images), T steps, S locations of the image, E embedding features, H cells, D
features of a location's annotation a_i.

    c_0 = tanh(W_c mean_i a_i + b_c), h_0 likewise    two layers of the mean annotation
    alpha_t = softmax_i score(h_{t-1}, a_i)           the query is the previous state
    z_t = beta_t sum_i alpha_ti a_i                   soft attention, gated: beta_t = sigmoid(w . h_{t-1} + b)
    z_t = beta_t a_{s_t},  s_t ~ alpha_t              hard attention (section 4.1), in ``sample`` alone
    h_t = RNN([E y_{t-1}; z_t], h_{t-1})
    p(y_t) = softmax(L_o (E y_{t-1} + L_h h_t + L_z z_t))

Each step depends on the previous state, so teacher forcing is a loop, which computes only what depends on it.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2scene.errors import UserError
from seq2scene.nets.text.bridge import Bridge, BridgeKind
from seq2scene.nets.text.decoders import gru_update, lstm_update
from seq2scene.nets.text.dropout import Dropout
from seq2scene.nets.text.encoders import Cell, recurrent
from seq2scene.nets.text.projection import vocabulary_projection
from seq2scene.nets.text.recurrent_decoder import RecurrentDecoder, State
from seq2scene.sequences.memory import Memory


@dataclass(frozen=True)
class Sampled:
    """A teacher-forced pass over B sentences that attended to one location at a time.

    features: (B, T, E). weights: (B, T, S), alpha. places: (B, T) int64, the sampled s_t. drawn: (B,) bool,
    False for a sentence that used soft attention at every step instead.
    """

    features: Tensor
    weights: Tensor
    places: Tensor
    drawn: Tensor


class XuDecoder(RecurrentDecoder):
    """Recurrent decoder of one layer whose query is the state before the word.

    attention: one of ``seq2scene.attention``; the paper's score is concat. gate: whether to use beta. bridge
    and mean_layer: how the initial state is computed from the mean annotation; mean_layer adds a ReLU layer
    before the bridge, as in the authors' COCO models. tanh: applied to the input of L_o, as in the authors'
    code. tied: L_o shares the embedding. dropout acts on the inputs of L_h and L_o, and after mean_layer.

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
        cell: Cell = "lstm",
        dropout: float = 0.5,
        gate: bool = True,
        bridge: BridgeKind = "linear",
        mean_layer: bool = False,
        tanh: bool = False,
        tied: bool = False,
        output_bias: bool = True,
    ) -> None:
        super().__init__()
        if attention is None:
            raise UserError(
                "attention=none: this decoder sees images through attention alone; choose e.g. concat"
            )
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
        features, weights, _, state = self._unroll(previous, state, memory, None)
        return features, weights, state

    def sample(self, memory: Memory, previous: Tensor, expectation: float = 0.5) -> Sampled:
        """Teacher forcing on previous (B, T) ids with hard attention: z_t is one location, sampled from
        alpha_t.

        expectation: the probability that a sentence uses soft attention throughout instead, which reduces
        variance (section 4.1).
        """
        drawn = torch.rand(len(previous), device=previous.device) >= expectation
        features, weights, places, _ = self._unroll(previous, self.start(memory), memory, drawn)
        return Sampled(features, weights, places, drawn)

    def _unroll(
        self, previous: Tensor, state: State, memory: Memory, drawn: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None, State]:
        """Word by word from ``state``; rows where ``drawn`` (N,) is True use hard attention, None for no row.

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
            assert context is not None and looked is not None, "this decoder has an attention"
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
        """E y_{t-1} + L_h h_t + L_z z_t (N, T, E), the input of L_o."""
        features = embedded + self.from_hidden(self.dropout(hidden)) + self.from_context(seen)
        return self.dropout(features.tanh() if self.tanh else features)
