"""Random draws from distributions that are sharpened, flattened or truncated first."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from seq2scene.search.constraints import top


def exact(device: torch.device) -> torch.device:
    """Where float64 is computed for tensors of a device: there, or on the CPU for Apple's GPUs (mps)."""
    return torch.device("cpu") if device.type == "mps" else device


def draw(
    log_probs: Tensor, chance: Tensor, temperature: float, top_k: int = 0, top_p: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Inverse-CDF sampling from p^(1 / temperature): log-probabilities (rows, V), not necessarily normalised,
    and chances (rows, 1) in [0, 1), where ``exact`` says -> the log-probability given and the id of each
    row's choice (rows, 1); any id if all are banned.

    top_k: only the k most probable; 0 for all. top_p: of these only the smallest set of most probable ones
    that reaches this probability (Holtzman et al. 2020, section 3.1). temperature: above 0.
    """
    kept, ids = log_probs, None
    if top_k > 0 or top_p < 1:
        kept, ids = top(log_probs, top_k or log_probs.shape[1])
    scaled = (kept - kept.amax(1, keepdim=True)).to(exact(kept.device)).double() / temperature
    probs = scaled.softmax(1)
    if top_p < 1:
        before = probs.cumsum(1) - probs
        probs = probs.masked_fill(before >= top_p, 0.0)
    mass = probs.cumsum(1)
    place = torch.searchsorted(mass, chance * mass[:, -1:], right=True)
    place = place.clamp(max=kept.shape[1] - 1).to(kept.device)  # past the end if every one has probability 0
    return kept.gather(1, place), place if ids is None else ids.gather(1, place)


@dataclass(frozen=True)
class PlaceDraw:
    """How objects are placed at random (``nets.scene.placing.Draw``).

    chances: makes independent uniform numbers (rows, 1) in [0, 1), float64. temperature: above 0.
    """

    chances: Callable[[], Tensor]
    temperature: float
    top_p: float

    def choose(self, logits: Tensor) -> Tensor:
        return draw(logits, self.chances(), self.temperature, top_p=self.top_p)[1].squeeze(1)

    def laplace(self, centres: Tensor, scales: Tensor) -> Tensor:
        sides = torch.cat([self.chances() for _ in range(centres.shape[1])], dim=1) - 0.5
        distances = -torch.log1p(-2 * sides.abs()) * sides.sign()  # the inverse of the distribution function
        moves = (distances * scales.to(distances.device) * self.temperature).to(centres.dtype)
        return centres + moves.to(centres.device)
