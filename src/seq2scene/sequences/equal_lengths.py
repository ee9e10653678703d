"""Training batches of sentences of one length (Xu et al. 2015, section 4.3): nothing is padded."""

import numpy as np


class EqualLengths:
    """Batches of at most ``size`` sentences, all of one length, shuffled by seed and epoch.

    A step is cut first and then dealt to the W ranks. Every sentence is seen in every epoch; if the size of a
    step is not a multiple of W, up to W - 1 sentences are seen twice. The last batch of a length may be
    smaller.
    """

    def __init__(self, lengths: np.ndarray, size: int, seed: int = 0, rank: int = 0, world: int = 1) -> None:
        self.lengths, self.size, self.seed, self.rank, self.world = lengths, size, seed, rank, world
        self._groups = [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
        self._steps = sum(-(-len(group) // (size * world)) for group in self._groups)

    def __len__(self) -> int:
        return self._steps

    def batches(self, epoch: int) -> list[np.ndarray]:
        rng = np.random.default_rng([self.seed, epoch])
        step = self.size * self.world
        steps = []
        for group in self._groups:
            order = rng.permutation(group)
            steps += [order[first : first + step] for first in range(0, len(order), step)]
        dealt = [np.resize(rows, -(-len(rows) // self.world) * self.world) for rows in steps]
        return [dealt[i][self.rank :: self.world] for i in rng.permutation(self._steps)]
