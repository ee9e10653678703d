"""Small decoders with known probabilities: pad 0, unk 1, bos 2, eos 3, then words."""

import torch
from torch import Tensor

from seq2scene.sequences.memory import Memory
from seq2scene.sequences.padding import lengths_to_mask

LARGE = 2**60
PAD, UNK, BOS, EOS = SPECIAL = 0, 1, 2, 3
IDS = {"pad": PAD, "unk": UNK, "bos": BOS, "eos": EOS}


def toy_memory(lengths: list[int], seed: int = 0) -> Memory:
    """Random states (B, S, 3); the final state is the sentence number, to identify rows."""
    sizes = torch.tensor(lengths)
    mask = lengths_to_mask(sizes, max(max(lengths), 1))
    states = torch.randn(*mask.shape, 3, generator=torch.Generator().manual_seed(seed)) * mask.unsqueeze(2)
    numbers = torch.arange(len(lengths)).view(-1, 1, 1).float()
    return Memory(states, states, mask, sizes, (numbers,))


class MarkovDecoder:
    """p(next | previous, sentence) is a row of a table (sentences, V, V) of logits; no attention."""

    def __init__(self, table: Tensor) -> None:
        self.table = table

    def start(self, memory: Memory) -> Tensor:
        return memory.final[0][:, 0, 0].long()

    def step(self, previous: Tensor, state: Tensor, memory: Memory) -> tuple[Tensor, Tensor, None, None]:
        return self.table[state, previous], state, None, None

    def output(self, features: Tensor) -> Tensor:
        return features


class Projection:
    """Features to logits, counting the rows projected."""

    def __init__(self, weight: Tensor, dtype: torch.dtype) -> None:
        self.weight, self.dtype, self.in_features, self.rows = weight, dtype, len(weight), 0

    def __call__(self, features: Tensor) -> Tensor:
        self.rows += len(features)
        return (features @ self.weight).to(self.dtype)


class HistoryDecoder:
    """p(next | all previous words, source) with attention, from a small recurrent net with a nested state.

    The state holds the sum of the hidden states so far, the hidden state and the step, one of them twice in
    deeper nests, and the logits depend on all: a leaf that is not reordered with the beams changes the
    scores. Its trace is the id read, offset to be too large for a float, and the sum of the hidden states (N,
    3).
    """

    def __init__(self, vocabulary: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> None:
        draw = torch.Generator().manual_seed(seed)
        self.embedding = torch.randn(vocabulary, 3, generator=draw)
        self.recurrent = torch.randn(3, 3, generator=draw)
        self.output = Projection(torch.randn(9, vocabulary, generator=draw), dtype)
        self.rows_asked = 0

    def start(self, memory: Memory) -> tuple:
        zeros = torch.zeros_like(memory.states[:, 0])
        return zeros, ((zeros + 1, (zeros.unsqueeze(1),)), zeros[:, 0].long())

    def step(self, previous: Tensor, state: tuple, memory: Memory) -> tuple[Tensor, tuple, Tensor, dict]:
        hidden, ((total, (deep,)), steps) = state
        self.rows_asked += len(previous)
        hidden = torch.tanh(hidden @ self.recurrent + self.embedding[previous] + 0.1 * steps.unsqueeze(1))
        queries = hidden.view(len(memory), -1, 3)  # the beams of a sentence are queries to one memory
        scores = (queries @ memory.keys.mT).masked_fill(~memory.mask.unsqueeze(1), -torch.inf)
        weights = scores.softmax(2)
        context = (weights @ memory.states).flatten(0, 1)
        deep = torch.sin(deep + 3 * hidden.unsqueeze(1))
        features = torch.cat([hidden + context, torch.cos(total), deep.squeeze(1)], dim=1)
        state = hidden, ((total + hidden, (deep,)), steps + 1)
        return (
            features,
            state,
            weights.flatten(0, 1),
            {"read": previous + LARGE, "sums": (total + hidden, None)},
        )


def markov(vocabulary: int, sentences: int = 1, seed: int = 0, spread: float = 1.0) -> MarkovDecoder:
    draw = torch.Generator().manual_seed(seed)
    return MarkovDecoder(torch.randn(sentences, vocabulary, vocabulary, generator=draw) * spread)


def force(decoder: object, memory: Memory, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
    """Steps through ``tokens`` (T,) of a batch of one: log-probabilities (T,) and weights (T, S) or None."""
    state, previous, log_probs, attention = decoder.start(memory), BOS, [], []
    for token in tokens.tolist():
        features, state, weights, _ = decoder.step(torch.tensor([previous]), state, memory)
        log_probs.append(decoder.output(features).float().log_softmax(1)[0, token])
        attention.append(weights)
        previous = token
    return torch.stack(log_probs), None if attention[0] is None else torch.cat(attention)


def one(memory: Memory, sentence: int) -> Memory:
    return memory[torch.tensor([sentence])]
