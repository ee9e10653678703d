"""Attention models that turn text into sequences, of words and of objects.

``seq2scene.load`` makes a model of a checkpoint, with neither Lightning nor Hydra.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seq2scene.models.loading import load

__all__ = ["load"]
__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    if name != "load":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from seq2scene.models.loading import load  # with PyTorch, which a bare import does not need

    return load
