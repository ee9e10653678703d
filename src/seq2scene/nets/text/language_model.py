"""The recurrent language model (Mikolov et al. 2010; Zaremba et al. 2014): p(y_t | y_1 ... y_{t-1}).

N rows (sentences, streams or beams), T steps, H cells, L layers, V words.

    h_t = RNN(embed(y_{t-1}), h_{t-1})     h_0 = 0, or the last state of the preceding text
    p   = softmax(W_s h_t)

It follows the decoder contract with an empty memory, so every search works with it.
"""

import torch
from torch import Tensor, nn

from seq2scene.nets.text.dropout import Dropout
from seq2scene.nets.text.encoders import Cell, go_on, recurrent
from seq2scene.nets.text.projection import vocabulary_projection
from seq2scene.sequences.memory import Memory

State = tuple[Tensor, ...]  # (h,) or (h, c), each (N, L, H)

ENDLESS = 2**30  # longer than any limit that a search derives from its source's length


def no_source(count: int, device: torch.device | str) -> Memory:
    """The memory of ``count`` texts without a source: one position without features each, (B, 1, 0).

    Its length is above every limit that depends on the source, so that only ``search.max_length`` limits a
    text.
    """
    states = torch.empty(count, 1, 0, device=device)
    mask = torch.ones(count, 1, dtype=torch.bool, device=device)
    return Memory(states, states, mask, torch.full((count,), ENDLESS, device=device), final=())


class LanguageModel(nn.Module):
    """Stacked LSTM or GRU over the words written so far, and a softmax over the next.

    tied: share the embedding with W_s (Press and Wolf 2017). dropout acts on the input of every layer and on
    h_t before it is projected, never on the recurrence (Zaremba et al. 2014).
    """

    def __init__(
        self,
        vocabulary_size: int,
        padding: int,
        embedding_size: int = 256,
        hidden_size: int = 256,
        layers: int = 1,
        cell: Cell = "lstm",
        dropout: float = 0.0,
        tied: bool = False,
        output_bias: bool = True,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=padding)
        self.dropout = Dropout(dropout)
        self.rnn = recurrent(cell)(
            embedding_size, hidden_size, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0
        )
        self.output = vocabulary_projection(self.embedding, hidden_size, tied, output_bias)

    def start(self, memory: Memory) -> State:
        """The state before the first word: zeros, one row per text."""
        zeros = self.output.weight.new_zeros(len(memory), self.rnn.num_layers, self.rnn.hidden_size)
        return (zeros, zeros) if isinstance(self.rnn, nn.LSTM) else (zeros,)

    def step(self, previous: Tensor, state: State, memory: Memory) -> tuple[Tensor, State, None, None]:
        """One step of every row: previous (N,) ids -> features (N, H), state, no attention and no trace."""
        features, state = self.read(previous.unsqueeze(1), state)
        return features.squeeze(1), state, None, None

    def forward(self, memory: Memory, previous: Tensor) -> tuple[Tensor, None]:
        """The teacher-forced pass: previous (B, T) ids -> features (B, T, H), no attention.

        ``output`` turns features into logits; the caller does this, as it knows which positions are real.
        """
        return self.read(previous, self.start(memory))[0], None

    def read(self, previous: Tensor, state: State) -> tuple[Tensor, State]:
        """Continues from ``state`` in one RNN call: previous (N, T) ids -> features (N, T, H), last state."""
        hidden, last = go_on(self.rnn, self.dropout(self.embedding(previous)), state)
        return self.dropout(hidden), last
