"""Sampling: words drawn as often as the model finds them likely."""

from dataclasses import dataclass

import torch
from torch import Tensor

from seq2scene.search.constraints import Constraints, require, require_number, require_whole
from seq2scene.search.decoder import Decoder
from seq2scene.search.hypotheses import Hypotheses
from seq2scene.search.top import top
from seq2scene.search.walk import walk
from seq2scene.sequences.memory import Memory


@dataclass(frozen=True, kw_only=True)
class Sample(Constraints):
    """Draws ``num_samples`` hypotheses per sentence from p^(1 / temperature), cut and renormalised.

    top_k: only the k likeliest words; 0 for all. top_p: of these only the fewest likeliest words that
    together reach this probability (Holtzman et al. 2020, section 3.1). The log-probabilities returned are
    the model's own, before temperature and cuts, and scores are their sums.

    Raises UserError if a value is out of its range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    num_samples: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("temperature", self.temperature, 0)
        require("temperature", self.temperature, self.temperature > 0, "above 0")
        require_whole("top_k", self.top_k, 0)
        require_number("top_p", self.top_p, 0, 1)
        require("top_p", self.top_p, self.top_p > 0, "above 0 and at most 1")
        require_whole("num_samples", self.num_samples, 1)

    @torch.no_grad()
    def __call__(
        self,
        decoder: Decoder,
        memory: Memory,
        *,
        bos: int,
        eos: int,
        pad: int,
        unk: int,
        prefix: Tensor | None = None,
        keep_weights: bool = False,
        generator: torch.Generator | None = None,
    ) -> Hypotheses:
        """Samples for the B sentences of ``memory``. ``prefix``: (B, P) forced beginnings, right-padded.

        generator: where chance comes from, on any device; None for PyTorch's own. The same generator state
        gives the same output.
        """
        rules = self.rules(memory, bos, eos, pad, unk, prefix)
        device = memory.lengths.device if generator is None else generator.device

        def draw(log_probs: Tensor, sentences: Tensor) -> tuple[Tensor, Tensor]:
            # One number for each hypothesis of the batch, still being written or not, so that chance
            # does not depend on when the others end.
            shape = len(memory), self.num_samples
            chance = torch.rand(shape, dtype=torch.float64, generator=generator, device=device)
            return self.choose(log_probs, chance.to(sentences.device)[sentences].view(-1, 1))

        return walk(
            decoder, memory, rules, draw, bos=bos, pad=pad, copies=self.num_samples, keep_weights=keep_weights
        )

    def choose(self, log_probs: Tensor, chance: Tensor) -> tuple[Tensor, Tensor]:
        """The word at ``chance`` (rows, 1) in [0, 1) of all probability: log-probability and id (rows, 1);
        any word where all are banned.
        """
        kept, words = log_probs, None
        if self.top_k > 0 or self.top_p < 1:
            kept, words = top(log_probs, self.top_k or log_probs.shape[1])
        scaled = (kept - kept.amax(1, keepdim=True)).double() / self.temperature
        probs = scaled.softmax(1)
        if self.top_p < 1:
            before = probs.cumsum(1) - probs
            probs = probs.masked_fill(before >= self.top_p, 0.0)
        mass = probs.cumsum(1)
        place = torch.searchsorted(mass, chance * mass[:, -1:], right=True)
        place = place.clamp(max=kept.shape[1] - 1)  # beyond all words where no word has a probability
        return kept.gather(1, place), place if words is None else words.gather(1, place)
