"""A corpus as one long text, read as several parallel streams, a window at a time.

The text is all lines, each followed by EOS, as in ``Corpus.ids``. It is cut into S parallel streams, and
these into windows; a model reads the windows in order and carries its state from one to the next, with
gradients truncated at the window's beginning (truncated back-propagation through time, Mikolov et al. 2010;
Zaremba et al. 2014).
"""

import numpy as np
import torch

from seq2scene.errors import UserError
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.corpus import Corpus
from seq2scene.sequences.padding import pad_flat
from seq2scene.sequences.text_batch import TextBatch


class StreamWindows:
    """The windows of a corpus in ``streams`` streams over all W ranks; each rank reads every W-th stream.

    The lengths of streams differ by at most one token, and so do those of windows, of up to ``window``
    tokens: every token is in exactly one window of one rank, and only the last window may be ragged. W ranks
    with S streams read at each step what one rank with W * S streams reads. Every epoch follows text order.

    A batch of this plan holds the starts and ends of its windows in ``Corpus.ids``: (B, 2).

    Raises UserError if the text is too short for this many streams, or if a window is shorter than 2 tokens.
    """

    def __init__(self, corpus: Corpus, streams: int, window: int, rank: int = 0, world: int = 1):
        tokens = len(corpus.ids)
        if window < 2:
            raise UserError(f"data.window={window}: a window needs at least 2 tokens")
        if tokens < 2 * streams:
            raise UserError(
                f"{corpus.text.path} has {tokens} tokens, too few for {streams} streams of at least 2: "
                "lower data.batch_size (or data.eval_streams)"
            )
        self.corpus = corpus
        bounds = np.arange(streams + 1) * tokens // streams
        starts, ends = bounds[:-1][rank::world, None], bounds[1:][rank::world, None]  # (B, 1)
        longest = int(np.diff(bounds).max())
        steps = -(-longest // window)
        cuts = np.minimum(starts + np.arange(steps + 1) * longest // steps, ends)  # (B, steps + 1)
        self._windows = [cuts[:, step : step + 2] for step in range(steps)]

    def __len__(self) -> int:
        return len(self._windows)

    def batches(self, epoch: int) -> list[np.ndarray]:
        return self._windows

    def collate(self, windows: np.ndarray) -> TextBatch:
        """The windows (B, 2) as a batch. BOS is read at the beginning of every line."""
        ids, vocabulary = torch.from_numpy(self.corpus.ids), self.corpus.vocabulary
        starts, ends = torch.from_numpy(windows).unbind(1)
        gold = Sentences.of(pad_flat(ids, starts, ends - starts, vocabulary.pad), ends - starts)
        before = ids[starts - 1].to(torch.int64).unsqueeze(1)  # for the text's first token: its last, an EOS
        previous = torch.cat([before, gold.ids[:, :-1]], dim=1)
        previous = previous.masked_fill(previous == vocabulary.eos, vocabulary.bos)
        first, last = (np.array_equal(windows, self._windows[end]) for end in (0, -1))
        return TextBatch(previous, gold, continues=not first, goes_on=not last)
