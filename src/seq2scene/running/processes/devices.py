"""The number of processes that ``trainer.devices`` asks for on this machine."""

from collections.abc import Sequence

import torch

from seq2scene.errors import UserError


def local_devices(devices: int | str | Sequence[int], accelerator: str = "auto") -> int:
    """The number of processes that ``trainer.devices`` and ``trainer.accelerator`` require on this machine.

    Reads them as Lightning does: a number, a list of GPU indices (also ``"0,2"``), ``-1`` or ``"auto"`` for
    all visible GPUs; ``"auto"`` on a CPU is one process.

    Raises:
        UserError: if they are invalid or need more GPUs than are visible.
    """
    gpus = torch.cuda.device_count()
    on_gpu = accelerator in ("gpu", "cuda") or (accelerator == "auto" and gpus > 0)
    if not on_gpu:
        return _count(devices, every=1)
    if gpus == 0:
        raise UserError(f"trainer.accelerator={accelerator}: no GPU is visible; use trainer.accelerator=cpu")
    count = _count(devices, every=gpus)
    if count > gpus:
        raise UserError(
            f"trainer.devices={devices}: only {gpus} GPUs are visible; use at most trainer.devices={gpus}"
        )
    return count


def _count(devices: int | str | Sequence[int], every: int) -> int:
    if devices in ("auto", -1, "-1"):
        return every
    listed: int | str | Sequence[int | str] = devices
    if isinstance(devices, str) and "," in devices:
        listed = [index for index in devices.split(",") if index.strip()]
    try:
        count = int(listed) if isinstance(listed, int | str) else len(listed)
    except (ValueError, TypeError):
        count = 0
    if count < 1 or isinstance(devices, bool):
        raise UserError(
            f"trainer.devices={devices}: use a number of at least 1, a list of GPU indices or auto"
        )
    return count
