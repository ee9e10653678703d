"""Which operations would wait for a GPU: those whose shape, or number, follows from the values of tensors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

DEPENDENT = {torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output}


class _Watch(TorchDispatchMode):
    def __init__(self, waits: list[str]) -> None:
        super().__init__()
        self.waits = waits

    def __torch_dispatch__(self, func, types, args=(), kwargs=None) -> Any:
        indexing = str(func).startswith(("aten.index.", "aten.index_put", "aten._index_put"))
        masks = [leaf for leaf in tree_leaves(args[1]) if leaf is not None] if indexing else []
        if any(mask.dtype == torch.bool for mask in masks) or (not indexing and DEPENDENT & {*func.tags}):
            self.waits.append(str(func))
        return func(*args, **(kwargs or {}))


@contextmanager
def watched() -> Iterator[list[str]]:
    """The waiting operations of the body, forward and backward, in order."""
    waits: list[str] = []
    with _Watch(waits):
        yield waits
