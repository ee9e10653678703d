"""Learning-rate schedules of the papers, as factors of the optimizer's own rate."""

from math import cos, pi
from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from seq2scene.errors import UserError


def halving(
    optimizer: Optimizer, steps_per_epoch: float, start: float = 5.0, every: float = 1.0, factor: float = 0.5
) -> LambdaLR:
    """Constant for ``start`` epochs, then times ``factor`` at once and after each further ``every`` epochs.

    Luong et al. 2015, section 4.1: start 5, or 8 with dropout, every 1. Sutskever et al. 2014, section 3.4:
    start 5, every 0.5. The released code of the former starts an epoch later than the paper (start 6).
    """

    def rate(step: int) -> float:
        epochs = step / steps_per_epoch
        return 1.0 if epochs < start else factor ** (1 + int((epochs - start) / every))

    return LambdaLR(optimizer, rate)


def luong234(optimizer: Optimizer, steps: int) -> LambdaLR:
    """Constant for two thirds of ``steps``, then halved four times, each after a twelfth of them
    (tensorflow/nmt's scheme of that name).
    """
    if steps < 1:
        raise UserError(f"schedule.steps={steps}: give the number of training steps")
    return halving(optimizer, steps / 12, start=8.0, every=1.0)


def warm_up(optimizer: Optimizer, steps: int = 400, decay: Literal["none", "rsqrt"] = "none") -> LambdaLR:
    """Rises linearly over ``steps`` steps; then stays (``none``) or falls as 1/sqrt(step) (``rsqrt``)."""

    def rate(step: int) -> float:
        rising = min((step + 1) / steps, 1.0)
        return rising * (steps / max(step + 1, steps)) ** 0.5 if decay == "rsqrt" else rising

    return LambdaLR(optimizer, rate)


def warm_up_cosine(
    optimizer: Optimizer, steps_per_epoch: int, epochs: int, steps: int = 400, floor: float = 0.0
) -> LambdaLR:
    """Rises over ``steps`` steps, then falls along a cosine to ``floor`` of the rate at the end of
    ``epochs``.
    """
    total = max(steps_per_epoch * epochs - steps, 1)

    def rate(step: int) -> float:
        if step < steps:
            return (step + 1) / steps
        return floor + (1 - floor) * 0.5 * (1 + cos(pi * min((step - steps) / total, 1.0)))

    return LambdaLR(optimizer, rate)


def constant(optimizer: Optimizer) -> LambdaLR:
    """The optimizer's own rate throughout."""
    return LambdaLR(optimizer, lambda step: 1.0)
