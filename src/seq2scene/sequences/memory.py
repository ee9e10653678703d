"""The memory: what an encoder passes to a decoder."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Memory:
    """The encoded inputs of B sentences, S positions each.

    states: (B, S, D), zero on padding. keys: (B, S, K), the states as the attention compares them, projected
    once. mask: (B, S) bool. lengths: (B,) int64 on the device. final: the encoder's last recurrent state,
    (h,) or (h, c), each (B, layers, D).
    """

    states: Tensor
    keys: Tensor
    mask: Tensor
    lengths: Tensor
    final: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.states)

    def __getitem__(self, index: Tensor) -> "Memory":
        """The memory of the sentences ``index`` (any,)."""
        return Memory(
            self.states[index],
            self.keys[index],
            self.mask[index],
            self.lengths[index],
            tuple(state[index] for state in self.final),
        )
